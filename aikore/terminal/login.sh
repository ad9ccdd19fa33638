# What a terminal of AiKore reads at its start: a login shell's files, then the environment of its instance.
[ -z "${AIKORE_OPEN_FILES:-}" ] || ulimit -Sn "$AIKORE_OPEN_FILES" 2>/dev/null
unset AIKORE_OPEN_FILES
if [ -r /etc/profile ]; then . /etc/profile; fi
for aikore_file in ~/.bash_profile ~/.bash_login ~/.profile; do
    if [ -r "$aikore_file" ]; then
        . "$aikore_file"
        break
    fi
done
if [ -n "${INSTANCE_CONF_DIR:-}" ]; then
    if [ -r "$INSTANCE_CONF_DIR/env/bin/activate" ]; then
        . "$INSTANCE_CONF_DIR/env/bin/activate"
    elif [ -d "$INSTANCE_CONF_DIR/env/conda-meta" ]; then
        export CONDA_PREFIX="$INSTANCE_CONF_DIR/env"
        PATH="$INSTANCE_CONF_DIR/env/bin:$PATH"
    fi
    if [ -r "$AIKORE_FUNCTIONS" ]; then . "$AIKORE_FUNCTIONS"; fi
fi
unset aikore_file
