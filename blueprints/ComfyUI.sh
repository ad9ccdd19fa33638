#!/usr/bin/env bash
# /// aikore
# name = "ComfyUI"
# category = "Image generation"
# description = "Node-based image, video and audio generation"
# homepage = "https://github.com/Comfy-Org/ComfyUI"
# provides = ["comfyui"]
# base_path = "strip"
# ready = { path = "/system_stats", timeout = 900 }
# stop_signal = "SIGINT"
# warn = ["IMPORT FAILED"]
# ///
#
# Variables (set them in the instance's environment):
#   COMFYUI_REPO, COMFYUI_REF       where from and which version; without a REF: the newest release when it is
#                                   installed or rebuilt, and the same from then on
#   TORCH_SPEC, TORCH_INDEX_URL     what to install as torch, and from which index ("" is PyPI)
#   COMFYUI_SKIP_REQUIREMENTS       names in ComfyUI's requirements.txt to leave out
#   COMFYUI_EXTRA_REQUIREMENTS      more arguments for pip, installed last (default: requests)
#   COMFYUI_ARGS                    arguments for ComfyUI, before the instance's own
set -euo pipefail
# shellcheck source=functions.sh
source "$AIKORE_FUNCTIONS"

repo="${COMFYUI_REPO:-https://github.com/Comfy-Org/ComfyUI.git}"
app="$INSTANCE_CONF_DIR/ComfyUI"
kind=$(gpu_kind)

# One index per kind: its torch, torchvision and torchaudio fit together. Those of PyPI need not: torchaudio refuses a
# torch made for another CUDA, and newer ComfyUI does not start without it.
torch_index() {
    case $kind in
    nvidia) printf 'https://download.pytorch.org/whl/cu130' ;;
    cpu) printf 'https://download.pytorch.org/whl/cpu' ;;
    amd) printf 'https://download.pytorch.org/whl/rocm6.4' ;;
    esac
}

# The models of all instances, for the case that this one's own folder cannot become a link to them.
write_model_paths() {
    local category
    printf "aikore:\n  base_path: '%s'\n" "${MODELS_DIR//\'/\'\'}"
    for category in "${categories[@]}"; do
        printf '  %s: %s\n' "$category" "$category"
    done
}

if [[ -n ${COMFYUI_REF:-} || ! -e $app/.git || ${AIKORE_REBUILD:-} == 1 ]]; then
    git_checkout "$repo" "${COMFYUI_REF:-$(git_latest_tag "$repo")}" "$app"
fi

use_python_env env
index="${TORCH_INDEX_URL-$(torch_index)}"
split_args torch "${TORCH_SPEC:-torch torchvision torchaudio}"
stage "Installing PyTorch"
# shellcheck disable=SC2154 # split_args sets it
pip_install "${torch[@]}" ${index:+--index-url "$index"}

stage "Installing ComfyUI's requirements"
skip="${COMFYUI_SKIP_REQUIREMENTS-torch torchvision torchaudio}"
grep -viE "^(${skip// /|})([^a-z0-9_.-]|\$)" "$app/requirements.txt" >"$INSTANCE_CONF_DIR/requirements.txt"
pip_install -r "$INSTANCE_CONF_DIR/requirements.txt"
# ComfyUI imports requests without listing it; newer transformers no longer brings it.
split_args extra "${COMFYUI_EXTRA_REQUIREMENTS-requests}"
# shellcheck disable=SC2154 # split_args sets it
((${#extra[@]} == 0)) || pip_install "${extra[@]}"

stage "Linking models"
categories=(checkpoints clip_vision configs controlnet diffusion_models embeddings loras style_models text_encoders
    upscale_models vae vae_approx audio_encoders classifiers diffusers gligen hypernetworks model_patches photomaker)
(cd "$MODELS_DIR" && mkdir -p -- "${categories[@]}")
if [[ -d $app/input && ! -e $INSTANCE_CONF_DIR/input && ! -L $INSTANCE_CONF_DIR/input ]]; then
    rm -rf -- "$INSTANCE_CONF_DIR/.input.part" # ComfyUI's own examples: its first workflow wants one
    cp -rT -- "$app/input" "$INSTANCE_CONF_DIR/.input.part"
    mv -T -- "$INSTANCE_CONF_DIR/.input.part" "$INSTANCE_CONF_DIR/input"
fi
mkdir -p "$INSTANCE_CONF_DIR"/{custom_nodes,input,user}
arguments=(--listen 127.0.0.1 --port "$WEBUI_PORT" --base-directory "$INSTANCE_CONF_DIR" --preview-method auto
    --output-directory "$INSTANCE_OUTPUT_DIR" --database-url "sqlite:///$INSTANCE_CONF_DIR/user/comfyui.db")
if ! link_models "$INSTANCE_CONF_DIR/models" .; then
    write_model_paths >"$INSTANCE_CONF_DIR/model_paths.yaml"
    arguments+=(--extra-model-paths-config "$INSTANCE_CONF_DIR/model_paths.yaml")
fi
[[ $kind != cpu ]] || arguments+=(--cpu)
split_args own "${COMFYUI_ARGS:-} ${LAUNCH_ARGS:-}"

stage "Starting ComfyUI"
# shellcheck disable=SC2154 # split_args sets it
exec python "$app/main.py" "${arguments[@]}" "${own[@]}"
