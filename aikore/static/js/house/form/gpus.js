/** The field of the instance form that chooses GPUs. */

import { store } from "../store.js";
import { el } from "../../kit/dom.js";
import { field } from "../../kit/fields.js";

/** @import {Pin} from "../types.js" */

/** Cards are kept by what the server remembers them by, so that a choice follows a card whose index moves meanwhile.
 * @param {Pin[] | null} chosen null: all */
export function gpuChoice(chosen) {
  const picked = new Set((chosen ?? []).map((pin) => pin.uuid));
  const mode = el("select", { id: "field-gpus", "data-testid": "gpu-mode" });
  const list = el("div", { class: "checks", role: "group", "aria-label": "These GPUs" });
  const { node, complain } = field("GPUs", mode);
  node.append(list);
  let wanted = chosen === null ? "all" : chosen.length === 0 ? "cpu" : "some";
  let drawn = "";
  const show = () => { list.hidden = wanted !== "some"; };
  const present = () => store.system.gpus ?? [];
  /** Offer what the machine has, and what was chosen before. */
  const update = () => {
    if (drawn === JSON.stringify(present())) return;
    drawn = JSON.stringify(present());
    const missing = (chosen ?? []).filter((pin) => !present().some((gpu) => gpu.key === pin.uuid));
    const offered = [
      ...present().filter((gpu) => !gpu.divided || picked.has(gpu.key)).map((gpu) => ({ key: gpu.key, words: `${gpu.id} · ${gpu.name}`, gone: false })),
      ...missing.map((pin) => ({ key: pin.uuid, words: `${pin.name || pin.uuid} · not there now`, gone: true })),
    ];
    mode.replaceChildren(el("option", { value: "all", text: offered.length ? "All GPUs" : "Whatever is there" }), el("option", { value: "cpu", text: "CPU only" }),
      ...(offered.length ? [el("option", { value: "some", text: "These GPUs" })] : []));
    mode.value = wanted;
    list.replaceChildren(...offered.map(({ key, words, gone }) => el("label", { class: gone ? "gone" : false }, el("input", { type: "checkbox", value: key, checked: picked.has(key) }), words)));
    show();
  };
  mode.addEventListener("change", () => { wanted = mode.value; show(); });
  list.addEventListener("change", (event) => {
    const box = /** @type {HTMLInputElement} */ (event.target);
    if (box.checked) picked.add(box.value);
    else picked.delete(box.value);
  });
  update();
  /** As `gpu_ids` tells them, in the order they were chosen. */
  const ids = () => [...picked].map((key) => present().find((gpu) => gpu.key === key)?.id ?? key);
  const read = () => (wanted === "all" ? null : wanted === "cpu" ? [] : ids());
  const problem = () => (wanted === "some" && !read()?.length ? "Choose at least one GPU, or CPU only." : "");
  return { node, read, complain, problem, update };
}
