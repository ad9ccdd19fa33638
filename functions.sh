#!/usr/bin/env bash
# What launch scripts share: source "$AIKORE_FUNCTIONS". blueprints/README.md says how each function behaves.
# Works under `set -euo pipefail`; sets no shell options itself.

# uv looks into the system's certificate store only when told so; elsewhere this is harmless.
export UV_SYSTEM_CERTS="${UV_SYSTEM_CERTS:-1}" UV_NATIVE_TLS="${UV_NATIVE_TLS:-1}" GIT_TERMINAL_PROMPT=0
if [[ -n ${AIKORE_CACHE_DIR:-} ]]; then
    export PIP_CACHE_DIR="${PIP_CACHE_DIR:-$AIKORE_CACHE_DIR/pip}" UV_CACHE_DIR="${UV_CACHE_DIR:-$AIKORE_CACHE_DIR/uv}"
fi

log() {
    printf '[aikore] %s\n' "$*"
}

# Say why the launch cannot go on, and end it.
fail() {
    printf '[aikore] %s\n' "$*" >&2
    exit 1
}

# stage TEXT: what is being done now; AiKore shows it beside the status.
stage() {
    local text="${*//$'\n'/ }"
    log "== $text"
    [[ -z ${AIKORE_STAGE_FILE:-} ]] || printf '%s\n' "$text" >"$AIKORE_STAGE_FILE" || true
}

# Print what is mounted at or below a folder, bind mounts of the same file system too; 1 when nothing is.
_aikore_mounted() {
    local path point rest
    path="$(realpath -m -- "$(dirname -- "$1")")/$(basename -- "$1")"
    while read -r _ _ _ _ point rest; do
        printf -v point '%b' "${point//\\/\\0}"
        if [[ $point == "$path" || $point == "$path"/* ]]; then
            printf '%s\n' "$point"
            return 0
        fi
    done </proc/self/mountinfo
    return 1
}

# _aikore_require_no_mounts FOLDER DOING: nothing that moves or removes a folder goes on into another disk.
_aikore_require_no_mounts() {
    local mount
    if mount=$(_aikore_mounted "$1"); then
        fail "$1 cannot be $2: something is mounted at $mount. Unmount it first. Nothing was changed."
    fi
}

# split_args ARRAY TEXT: words as a shell would quote them, but nothing is expanded or run.
split_args() {
    local _text="$2"
    mapfile -d '' -t "$1" < <(xargs -r printf '%s\0' <<<"$_text")
}

# gpu_kind: prints nvidia, amd or cpu; cpu too where the instance is pinned to no GPU. AiKore knows; where it said
# nothing, one line of nvidia-smi is waited for, and not for long: it hangs with its driver, even beyond SIGKILL.
gpu_kind() {
    local node line=""
    if [[ -n ${AIKORE_GPU_KIND:-} ]]; then
        printf '%s\n' "$AIKORE_GPU_KIND"
    elif [[ -n ${ROCR_VISIBLE_DEVICES:-} && -z ${CUDA_VISIBLE_DEVICES:-} ]]; then
        printf 'amd\n'
    elif [[ -n ${CUDA_VISIBLE_DEVICES+set} && ${CUDA_VISIBLE_DEVICES} =~ ^(-1|void|none)?$ ]]; then
        printf 'cpu\n'
    elif read -r -t "${AIKORE_PROBE_SECONDS:-10}" line < <(nvidia-smi -L 2>/dev/null) && [[ $line == 'GPU '* ]]; then
        printf 'nvidia\n'
    else
        for node in "${AIKORE_KFD_NODES:-/sys/class/kfd/kfd/topology/nodes}"/*/gpu_id; do
            [[ -r $node && $(<"$node") != 0 ]] || continue
            printf 'amd\n'
            return
        done
        printf 'cpu\n'
    fi
}

# wait_for_port PORT [SECONDS=60]: until something listens there; 1 when nothing does in time.
wait_for_port() {
    local port="$1" end=$((SECONDS + ${2:-60}))
    until (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do
        ((SECONDS < end)) || return 1
        sleep 0.1
    done
}

# --- Python ---------------------------------------------------------------------------------------------------

_aikore_use_uv() {
    case ${AIKORE_PIP:-} in
    pip) return 1 ;;
    uv) command -v uv >/dev/null || fail "AIKORE_PIP=uv, but there is no uv. Install it or remove the setting." ;;
    '') command -v uv >/dev/null ;;
    *) fail "AIKORE_PIP must be pip or uv, not '$AIKORE_PIP'." ;;
    esac
}

# use_python_env [DIR=env] [--python X]: make or reuse a virtual environment in the instance's folder, activate it.
use_python_env() {
    local name=env python=python3 path
    while (($#)); do
        case $1 in
        --python) python="$2" && shift 2 ;;
        *) name="$1" && shift ;;
        esac
    done
    [[ $name =~ ^[A-Za-z0-9_][A-Za-z0-9._-]*$ ]] || fail "use_python_env: '$name' must be the name of one folder."
    path="$INSTANCE_CONF_DIR/$name"
    _aikore_retire_env "$path"
    if [[ ! -e $path ]]; then
        _aikore_require_links
        _aikore_make_env "$path" "$python"
    fi
    export VIRTUAL_ENV="$path" PATH="$path/bin:$PATH"
    unset PYTHONHOME
}

# An environment is full of links: say that they cannot be, before half of one is made.
_aikore_require_links() {
    local probe="$INSTANCE_CONF_DIR/.aikore-link.$$" refusal
    refusal=$(LC_ALL=C ln -s -- nowhere "$probe" 2>&1) || true
    rm -f -- "$probe"
    case $refusal in
    *'Operation not permitted'* | *'not supported'* | *'not implemented'*)
        fail "$INSTANCE_CONF_DIR lies on a file system ($(stat -f -c %T -- "$INSTANCE_CONF_DIR")) that has no symbolic" \
            "links, which environments need. Move the instances to another one (AIKORE_HOME)."
        ;;
    esac
}

# Take an environment away that is broken, was moved, or is to be rebuilt. Never through a link.
_aikore_retire_env() {
    local path="$1" why old
    for old in "$path".old.*; do # a removal that was interrupted
        [[ -d $old && ! -L $old ]] || continue
        _aikore_require_no_mounts "$old" removed
        rm -rf -- "$old"
    done
    [[ -e $path || -L $path ]] || return 0
    _aikore_move_env "$path"
    why=$(_aikore_env_fault "$path")
    [[ -n $why ]] || return 0
    [[ -d $path && ! -L $path ]] || fail "$path is no folder of this instance ($why). Remove it by hand."
    _aikore_require_no_mounts "$path" rebuilt
    log "rebuilding $path: $why"
    mv -T -- "$path" "$path.old.$$"
    rm -rf -- "$path.old.$$"
}

# An environment names its folder in many files. Where the folder was moved or copied, name the present one instead.
_aikore_move_env() {
    local path="$1" before
    [[ ${AIKORE_REBUILD:-} != 1 && -d $path && ! -L $path && -f $path/.aikore-path ]] || return 0
    before=$(<"$path/.aikore-path")
    [[ $before != "$path" && -n $before ]] || return 0
    stage "Moving the Python environment to its new folder"
    if "$path/bin/python" -I -c "$_aikore_rename_in_env" "$path" "${before%/*}" "${path%/*}"; then
        printf '%s\n' "$path" >"$path/.aikore-path"
    fi
}

# Scripts, the environment's own settings and what points from site-packages into the instance's folder (editable
# installs). Links are not followed and files are replaced whole, as a copy may share both with its original.
_aikore_rename_in_env='
import os, pathlib, re, sys
env, before, now = map(os.fsencode, sys.argv[1:])
name = re.compile(re.escape(before) + rb"(?=[/\"\x27\s:;,)\]]|$)")
root = pathlib.Path(os.fsdecode(env))
found = [root / "pyvenv.cfg", *root.glob("bin/*")]
for pattern in ("*.pth", "*.egg-link", "__editable__*.py", "*.dist-info/direct_url.json"):
    found += root.glob("lib/python*/site-packages/" + pattern)
for file in found:
    if file.is_symlink() or not file.is_file() or file.stat().st_size > 2**20:
        continue
    text = file.read_bytes()
    fresh = name.sub(lambda _: now, text)
    if fresh != text and b"\0" not in text:
        part = file.with_name(file.name + ".aikore-part")
        part.write_bytes(fresh)
        part.chmod(file.stat().st_mode & 0o7777)
        part.replace(file)
'

_aikore_env_fault() {
    local path="$1"
    if [[ ${AIKORE_REBUILD:-} == 1 && ! -e $path/.aikore-made-by-$$ ]]; then
        printf 'a rebuild was asked for'
    elif [[ ! -e $path/bin/activate ]] || ! "$path/bin/python" -c '' 2>/dev/null; then
        printf 'its Python does not run'
    elif [[ -e $path/.aikore-path && $(<"$path/.aikore-path") != "$path" ]]; then
        printf 'it was made for another folder'
    fi
}

_aikore_make_env() {
    local path="$1" python="$2"
    stage "Making a Python environment"
    if ! { _aikore_use_uv && uv venv --quiet --seed --python "$python" "$path"; }; then
        "$python" -m venv --clear "$path" || fail "The Python environment could not be made with '$python'."
    fi
    printf '%s\n' "$path" >"$path/.aikore-path"
    : >"$path/.aikore-made-by-$$" # a second call in this launch must not rebuild it once more
}

# pip_install ARGS…: install into the active environment; does nothing when the same was installed before.
pip_install() {
    [[ -n ${VIRTUAL_ENV:-} ]] || fail "pip_install: call use_python_env first."
    local stamps="$VIRTUAL_ENV/.aikore-stamps" stamp attempt
    local -a tool=("$VIRTUAL_ENV/bin/python" -m pip install --no-input)
    if _aikore_use_uv; then
        tool=(uv pip install --python "$VIRTUAL_ENV/bin/python")
    fi
    [[ -z ${AIKORE_CONSTRAINTS:-} ]] || set -- "$@" -c "$AIKORE_CONSTRAINTS"
    stamp=$(_aikore_stamp "$@") || fail "pip_install: a file that is named there cannot be read."
    if [[ -e $stamps/$stamp ]]; then
        log "already installed: $*"
        return 0
    fi
    for attempt in 1 2 3; do
        if "${tool[@]}" "$@"; then
            mkdir -p "$stamps"
            : >"$stamps/$stamp"
            return 0
        fi
        ((attempt == 3)) || sleep "$((attempt * ${AIKORE_RETRY_PAUSE:-4}))"
    done
    fail "Installing failed three times: $*"
}

# The hash of arguments and of the files they name (requirements, constraints, a local project's metadata).
_aikore_stamp() {
    local argument file
    (
        set -o pipefail
        {
            printf '%s\0' "$@"
            for argument in "$@"; do
                file="${argument#--*=}"
                [[ -e $file ]] || file="${argument#-[rc]}"
                if [[ -d $file ]]; then
                    cat -- "$file"/{pyproject.toml,setup.py,setup.cfg} 2>/dev/null || true
                elif [[ -f $file ]]; then
                    _aikore_requirements "$file" || exit 1
                fi
            done
        } | sha256sum | cut -d ' ' -f 1
    )
}

# Print a requirements file and those it includes.
_aikore_requirements() {
    local file="$1" depth="${2:-0}" included
    cat -- "$file" || return 1
    ((depth < 5)) || return 0
    while read -r included; do
        [[ ! -f $(dirname -- "$file")/$included ]] || _aikore_requirements "$(dirname -- "$file")/$included" $((depth + 1))
    done < <(sed -nE 's/^[[:space:]]*(-r|-c|--requirement|--constraint)[[:space:]=]*([^[:space:]#]+).*/\2/p' "$file")
}

# --- Git ------------------------------------------------------------------------------------------------------

# git_latest_tag URL: the newest release (v1.2.3) there; nothing when there is none or no network.
git_latest_tag() {
    git ls-remote --tags --refs --sort=-v:refname "$1" 'v*' 2>/dev/null |
        sed -nE 's#.*refs/tags/(v[0-9]+(\.[0-9]+)*)$#\1#p' | sed -n 1p || true
}

# git_checkout URL REF DIR: clone, or bring the clone to REF (branch, tag or commit; "" is the default branch).
# A tree with changes or commits of its own is kept as it is. Offline is fine when REF is there already.
git_checkout() {
    local url="$1" ref="$2" dir="$3"
    if [[ -e $dir/.git ]]; then
        _aikore_git_update "$url" "$ref" "$dir"
        return
    fi
    if [[ -e $dir || -L $dir ]]; then
        rmdir -- "$dir" 2>/dev/null || fail "$dir exists and is no Git clone. Move it away."
    fi
    stage "Fetching $(basename -- "$dir")"
    if [[ -d $dir.part && ! -L $dir.part ]]; then
        _aikore_require_no_mounts "$dir.part" removed
        rm -rf -- "$dir.part"
    fi
    git clone --quiet --no-checkout -- "$url" "$dir.part" || fail "$url could not be cloned."
    _aikore_git_switch "$dir.part" "$ref" || fail "$url has no '${ref:-HEAD}' that can be checked out."
    mv -T -- "$dir.part" "$dir"
}

_aikore_git_update() {
    local url="$1" ref="$2" dir="$3" known="" origin
    if [[ -n $(git -C "$dir" status --porcelain --untracked-files=no) ]]; then
        log "$dir has local changes; it stays as it is."
        return 0
    fi
    known=$(git -C "$dir" config aikore.head || true)
    if [[ -n $known && $known != "$(git -C "$dir" rev-parse HEAD)" ]]; then
        log "$dir was moved to another commit by hand; it stays there. (git config --unset aikore.head lets go.)"
        return 0
    fi
    origin=$(git -C "$dir" remote get-url origin 2>/dev/null || true)
    if [[ $origin != "$url" ]]; then
        git -C "$dir" remote set-url origin "$url" 2>/dev/null || git -C "$dir" remote add origin "$url"
    fi
    if [[ $origin != "$url" ]] || ! _aikore_git_fixed "$dir" "$ref"; then
        git -C "$dir" fetch --quiet --tags --force origin || log "$url cannot be reached; using what is here."
    fi
    _aikore_git_switch "$dir" "$ref" || fail "'${ref:-HEAD}' of $url is not here and could not be fetched."
}

# Whether REF is here and cannot have moved: a tag or a whole commit hash.
_aikore_git_fixed() {
    git -C "$1" rev-parse -q --verify "refs/tags/$2^{commit}" >/dev/null ||
        { [[ $2 =~ ^[0-9a-f]{40}$ ]] && git -C "$1" rev-parse -q --verify "$2^{commit}" >/dev/null; }
}

_aikore_git_switch() {
    local dir="$1" ref="$2" name commit=""
    for name in "refs/tags/$ref" "refs/remotes/origin/${ref:-HEAD}" "$ref"; do
        commit=$(git -C "$dir" rev-parse -q --verify "$name^{commit}" 2>/dev/null) && break
    done
    [[ -n $commit ]] || return 1
    [[ $(git -C "$dir" config aikore.head || true) != "$commit" ]] || return 0
    git -C "$dir" -c advice.detachedHead=false checkout --quiet --detach "$commit" || return 1
    git -C "$dir" config aikore.head "$commit"
    log "$(basename -- "${dir%.part}") is at ${ref:-HEAD} ($(git -C "$dir" rev-parse --short HEAD))"
}

# --- Models ---------------------------------------------------------------------------------------------------

# link_models APP_DIR CATEGORY: make APP_DIR a link to $MODELS_DIR/CATEGORY ("." for all of it). Files in APP_DIR are
# moved there first. Returns 1, having said why, where that would overwrite, lose or pass through something.
link_models() {
    local app="${1%/}" shared="$MODELS_DIR" result=0
    [[ $2 == . ]] || shared="$MODELS_DIR/$2"
    [[ /$2/ != */../* && $2 != /* ]] || fail "link_models: '$2' is no category."
    mkdir -p -- "$shared" "$(dirname -- "$app")" || return 1
    if [[ $(realpath -m -- "$app") == "$(realpath -m -- "$shared")" ]]; then
        return 0
    fi
    exec {_aikore_lock}>"$MODELS_DIR/.link.lock" || return 1
    flock "$_aikore_lock"
    _aikore_link_models "$app" "$shared" || result=1
    exec {_aikore_lock}>&-
    return "$result"
}

_aikore_link_models() {
    local app="$1" shared="$2"
    if [[ -d $app && ! -L $app ]]; then
        _aikore_may_move "$app" "$shared" || return 1
        _aikore_move_all "$app" "$shared" || return 1
        find "$app" -depth -type d -empty -delete
    fi
    if [[ -L $app ]]; then
        log "$app is a link to $(readlink -- "$app"); it is left alone. Remove it to share $shared."
        return 1
    elif [[ -e $app ]]; then
        log "$app is not an empty folder; it is left alone. Move it away to share $shared."
        return 1
    fi
    ln -sT -- "$(realpath -- "$shared")" "$app"
}

# Look at everything before anything moves: no links on the way, no special files, no name with other content.
_aikore_may_move() {
    local app="$1" shared="$2" file part="$1" ok=0 mount
    while [[ $part == "$INSTANCE_CONF_DIR"/* ]]; do
        if [[ -L $part ]]; then
            log "$part is a link; nothing is moved through it. $app stays as it is."
            return 1
        fi
        part=$(dirname -- "$part")
    done
    if [[ $part != "${INSTANCE_CONF_DIR%/}" ]]; then
        log "$app is outside the instance's folder; it stays as it is."
        return 1
    fi
    if mount=$(_aikore_mounted "$app"); then
        log "Something is mounted at $mount; nothing is moved from there. $app stays as it is."
        return 1
    fi
    while IFS= read -r -d '' file; do
        _aikore_may_move_one "$app" "$shared" "${file#"$app"/}" || ok=1
    done < <(find "$app" -mindepth 1 ! -type d -print0)
    ((ok == 0)) || log "$app is not shared; both places keep their files. Rename or remove what is named above."
    return "$ok"
}

_aikore_may_move_one() {
    local from="$1/$3" to="$2/$3"
    if [[ -L $from || ! -f $from ]]; then
        log "$from is not a plain file."
        return 1
    fi
    if [[ $(realpath -m -- "$to") == "$(realpath -- "$1")"/* ]]; then
        log "$to leads back to $from."
        return 1
    fi
    if [[ -e $to || -L $to ]] && ! { [[ -f $to && ! -L $to ]] && cmp -s -- "$from" "$to"; }; then
        log "$to has the same name as $from, but is not the same."
        return 1
    fi
}

_aikore_move_all() {
    local app="$1" shared="$2" file
    while IFS= read -r -d '' file; do
        if ! _aikore_move_one "$file" "$shared/${file#"$app"/}"; then
            log "$file could not be moved to $shared; it is still where it was."
            return 1
        fi
    done < <(find "$app" -mindepth 1 -type f -print0)
}

# Move without ever overwriting; the old name goes only when the new one surely holds the same bytes.
_aikore_move_one() {
    local from="$1" to="$2" part
    part="$(dirname -- "$to")/.$(basename -- "$to").part"
    mkdir -p -- "$(dirname -- "$to")" || return 1
    if [[ ! -e $to ]] && ! ln -T -- "$from" "$to" 2>/dev/null; then # another file system, or one without hard links
        if ! { cp --preserve=mode,timestamps -T -- "$from" "$part" && cmp -s -- "$from" "$part" && sync -- "$part" &&
            mv -nT -- "$part" "$to"; }; then
            rm -f -- "$part"
            return 1
        fi
    fi
    [[ -f $to && ! -L $to ]] && cmp -s -- "$from" "$to" && rm -f -- "$from"
}
