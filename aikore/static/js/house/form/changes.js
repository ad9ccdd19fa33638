/** What a form would change of an instance, and what of it waits for the next start. */

/** @import {Instance} from "../types.js" */

/** @type {Record<string, [string, boolean]>} what people call a field, and whether the program must start again to use it */
const FIELDS = {
  name: ["name", false], base_blueprint: ["blueprint", true], gpu_ids: ["GPUs", true], environment: ["environment variables", true],
  launch_args: ["launch arguments", true], hostname: ["host name", false], open_networks: ["networks without login", false],
  persistent_mode: ["desktop", true], autostart: ["start with AiKore", false], restart_policy: ["start again after a failure", false], group: ["group", false],
};

/** @param {unknown} a @param {unknown} b */
function same(a, b) {
  const plain = (/** @type {unknown} */ value) => JSON.stringify(value, (_, part) =>
    (part && typeof part === "object" && !Array.isArray(part) ? Object.entries(part).sort() : part));
  return plain(a) === plain(b);
}

/** What differs from the instance as it was when the form opened; what others changed meanwhile stays theirs.
 * @param {object} before @param {Record<string, unknown>} wanted @returns {Record<string, unknown>} */
export function touched(before, wanted) {
  const had = /** @type {Record<string, unknown>} */ (before);
  return Object.fromEntries(Object.entries(wanted).filter(([key, value]) => !same(value, had[key])));
}

/** @param {Iterable<string>} keys @param {boolean} later @returns {string[]} */
const words = (keys, later) => [...keys].flatMap((key) => {
  const [word, waits] = FIELDS[key] ?? [key, false];
  return waits === later ? [word] : [];
});

/** @param {Record<string, unknown>} changes @returns {boolean} */
export const waits = (changes) => words(Object.keys(changes), true).length > 0;

/** @param {Record<string, unknown>} changes @param {boolean} running @returns {string} */
export function changeWords(changes, running) {
  const [now, later] = [words(Object.keys(changes), false), words(Object.keys(changes), true)];
  return [
    ...(now.length ? [`Changes at once: ${now.join(", ")}.`] : []),
    ...(later.length ? [`${running ? "After a restart" : "At the next start"}: ${later.join(", ")}.`] : []),
  ].join(" ");
}

/** @param {Instance} before as the form was opened @param {Instance} now @param {Record<string, unknown>} mine @returns {string} */
export function othersWords(before, now, mine) {
  const theirs = Object.keys(FIELDS).filter((key) => !(key in mine) && key in touched(before, { ...now }));
  const names = theirs.map((key) => FIELDS[key]?.[0]);
  return names.length ? `Meanwhile changed elsewhere, and left alone by this form: ${names.join(", ")}.` : "";
}
