/**
 * The types that modules share: payloads as the OpenAPI document has them (`make types`), and what a tool is.
 *
 * @typedef {import("../../../../tools/types/payloads.js").components["schemas"]} Payloads
 */
/** @typedef {Payloads["Instance"]} Instance */
/** @typedef {Payloads["BlueprintView"]} Blueprint */
/** @typedef {Payloads["Trashed"]} Trashed */
/** @typedef {Payloads["UnlistedFolder"]} Unlisted */
/** @typedef {Payloads["Pin"]} Pin */
/** @typedef {Payloads["Run"]} Run */
/** @typedef {Payloads["Permission"]} Permission */
/** @typedef {Payloads["Me"]} Me */
/** @typedef {Me["role"]} Role */
/** @typedef {{level: "info" | "warning" | "error", message: string, at: number}} Notice */
/** @typedef {{instances: Instance[], blueprints: Blueprint[], trash: Trashed[], notices: Notice[], system: Partial<Payloads["SystemInfo"]>}} Snapshot of the event socket */
/**
 * @typedef {object} Tool what an open tab can be asked
 * @property {() => void} close lets go of everything; the panel is removed by the caller
 * @property {() => void} [show] its tab came to the front
 * @property {() => void} [hide] another tab lies over it; it goes on running
 * @property {(instance: Instance) => void} [update] the instance changed, or what the person may do
 * @property {(offset: number) => void} [at] show the place of a log
 * @property {() => boolean} [dirty] whether it holds input that is not saved
 */
/**
 * @typedef {object} ToolKind
 * @property {string} kind as in `tab-<kind>` and in what the browser remembers
 * @property {string} label what menus and tabs call it
 * @property {string} [key] opens it for the chosen instance
 * @property {Permission} permission what it takes to open it
 * @property {(instance: Instance) => boolean} [offered] whether the instance has it; all have it unless told
 * @property {(panel: HTMLElement, instance: Instance) => Tool} open fills the empty panel
 */
export {};
