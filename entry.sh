#!/bin/sh
# The container's first program. As root it hands the data folder to PUID:PGID and becomes that user; as that user, or
# the one of `--user`, it lays out the supervision and becomes s6-svscan. With arguments it becomes those instead.
set -eu

say() {
    printf 'aikore: %s\n' "$*" >&2
}

fail() {
    say "$*"
    exit 1
}

check_numbers() {
    case $PUID:$PGID in
    *[!0-9:]* | :* | *:) fail "PUID and PGID must be numbers, not '$PUID' and '$PGID'. \`id\` prints yours." ;;
    esac
    case $UMASK in
    [0-7][0-7][0-7] | 0[0-7][0-7][0-7]) ;;
    *) fail "UMASK must be an octal number like 022, not '$UMASK'." ;;
    esac
}

# Own the data folder. The folder itself comes last, so it tells whether its contents are done.
take_home() {
    mkdir -p "$AIKORE_HOME" 2>/dev/null || true
    [ "$(stat -c %u:%g "$AIKORE_HOME")" != "$PUID:$PGID" ] || return 0
    if [ -n "$(ls -A "$AIKORE_HOME")" ]; then
        say "giving $AIKORE_HOME and all in it to $PUID:$PGID, this once"
    else
        chmod go-w "$AIKORE_HOME" 2>/dev/null || true # a fresh volume is open to everybody
    fi
    if find "$AIKORE_HOME" -xdev -mindepth 1 ! \( -uid "$PUID" -gid "$PGID" \) -exec chown -h "$PUID:$PGID" {} +; then
        chown "$PUID:$PGID" "$AIKORE_HOME" && return 0
    fi
    say "not everything could be given away; is the capability CHOWN (for old files DAC_OVERRIDE, too) missing?"
}

become_user() {
    as-aikore true 2>/dev/null ||
        fail "Cannot become $PUID:$PGID. Give the capabilities SETUID and SETGID, or start with --user $PUID:$PGID."
    exec as-aikore "$0" "$@"
}

# Everything below runs as the chosen user -----------------------------------------------------------------------

check_home() {
    [ -d "$AIKORE_HOME" ] && [ -w "$AIKORE_HOME" ] && [ -x "$AIKORE_HOME" ] && return
    fail "The data folder $AIKORE_HOME cannot be written by user $(id -u), group $(id -g); it is" \
        "$(stat -c 'of %u:%g with mode %a' "$AIKORE_HOME" 2>/dev/null || printf 'not there')." \
        "Mount it writable and give it to that user (chown), or start with the PUID and PGID, or --user, of its owner."
}

check_run() {
    { mkdir -p "$RUN" && [ -w "$RUN" ]; } 2>/dev/null ||
        fail "$RUN cannot be written by user $(id -u). Under --read-only say: --tmpfs /run:mode=1777 --tmpfs /tmp"
}

check_time_zone() {
    case ${TZ:-UTC} in
    *[!A-Za-z0-9/_+-]* | *[0-9]*) ;; # a rule like CET-1CEST, or a path
    *) [ -e "/usr/share/zoneinfo/${TZ:-UTC}" ] || say "There is no time zone TZ=$TZ; times are UTC." ;;
    esac
}

# A name for the user: programs ask for one, and the image knows only number 1000 (extrausers: 500 and above).
name_user() {
    export USER=aikore LOGNAME=aikore
    getent passwd "$(id -u)" >/dev/null && return
    mkdir -p "$RUN/extrausers"
    printf 'aikore:x:%s:%s:AiKore:%s:/bin/bash\n' "$(id -u)" "$(id -g)" "$HOME" >"$RUN/extrausers/passwd"
    printf 'aikore:x:%s:\n' "$(id -g)" >"$RUN/extrausers/group"
}

# Firefox finds half of what its sandbox needs, takes it for all, and crashes: podman with --cap-drop=ALL.
check_sandbox() {
    unshare --user --map-root-user chroot / true 2>/dev/null || export MOZ_ASSUME_USER_NS=0
}

# The places of s6. No NGINX runs yet, so no configuration is current: it waits for the manager to write one.
lay_out() {
    rm -rf "$RUN/s6"
    rm -rf "$AIKORE_RUNTIME_DIR/nginx/current" "$AIKORE_RUNTIME_DIR/nginx/nginx.pid"
    mkdir -p "$AIKORE_RUNTIME_DIR" "$RUN/s6/scan/.s6-svscan" "$RUN/s6/supervise"
    ln -s /etc/aikore/services/* "$RUN/s6/scan/"
    ln -s /etc/aikore/svscan/* "$RUN/s6/scan/.s6-svscan/"
    ln -s SIGTERM "$RUN/s6/scan/.s6-svscan/SIGINT"
    mkdir -p "$AIKORE_HOME/logs"
}

RUN=/run/aikore
export AIKORE_HOME="${AIKORE_HOME:-/config}" AIKORE_RUNTIME_DIR="${AIKORE_RUNTIME_DIR:-$RUN/house}"
PUID=${PUID:-1000} PGID=${PGID:-1000} UMASK=${UMASK:-022}
check_numbers
if [ "$(id -u)" = 0 ]; then
    take_home
    [ "$PUID" = 0 ] || become_user "$@"
fi
umask "$UMASK"
check_run
check_time_zone
check_sandbox
name_user
[ $# = 0 ] || exec "$@"
check_home
mkdir -p "$HOME"
lay_out
exec s6-svscan "$RUN/s6/scan"
