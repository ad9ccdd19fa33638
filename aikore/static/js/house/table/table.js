/** The table of instances: one row per instance, kept and patched in place, moved only when its place changes. */

import { feed } from "../monitor/feed.js";
import { store } from "../store.js";
import { arrangement, BY_FIGURE, grouped, matches, rearrange, sorted } from "./arrange.js";
import { anchorAt, beginChoice, chooseOne, chooseRange, showChoice, together } from "./choice.js";
import { heading, makeHeads, showSort } from "./heads.js";
import { draggable, putBeside } from "./order.js";
import { makeRow } from "./row.js";
import { byId, setText } from "../../kit/dom.js";
import { ago } from "../../kit/times.js";

/** @import {Instance} from "../types.js" */
/** @import {Row} from "./row.js" */
/** @import {Grouping} from "./arrange.js" */

/** @type {Map<number, Row>} */
const rows = new Map();
/** How many rows get their cells right away; the others do when they come near to being seen. So hundreds cost little more. */
const FILLED_AT_ONCE = 30;
/** @type {IntersectionObserver} */
let near;
/** @type {number[]} ids of the rows that are shown, from above */
let shown = [];
/** @type {number | null} */
let current = null;
/** whether rows are put in their places soon: many changes that come together cost this once */
let waiting = false;
/** @type {number | undefined} the one row that Tab reaches */
let reachable;

const filter = () => /** @type {HTMLInputElement} */ (byId("filter"));

/** @returns {Instance | undefined} the instance that keys mean */
export const chosenInstance = () => (current === null ? undefined : store.instances.get(current));

/** @param {Instance} instance */
export const rowOf = ({ id }) => rows.get(id)?.row;

/** @param {number | null} id */
function choose(id) {
  current = id;
  const now = id !== null && shown.includes(id) ? id : shown[0];
  if (now !== reachable) {
    rows.get(reachable ?? -1)?.current(false);
    if (now !== undefined) fill(now);
    rows.get(now ?? -1)?.current(true);
    reachable = now;
  }
  if (id !== null) anchorAt(id);
}

/** @param {number} step @param {boolean} extend whether what lies between is chosen too */
export function chooseBy(step, extend) {
  const at = current === null ? -1 : shown.indexOf(current);
  const id = shown[Math.min(shown.length - 1, Math.max(0, at + step))];
  if (id === undefined) return;
  if (extend && !together.size && current !== null) chooseOne(current, true);
  rows.get(id)?.row.focus();
  if (extend) mark(() => chooseRange(shown, id));
}

/** Move the chosen row up or down, at the edge of its group into the next one. @param {number} step */
export function moveBy(step) {
  const target = current === null ? undefined : shown[shown.indexOf(current) + step];
  if (current === null || target === undefined) return;
  const crosses = arrangement.grouping === "group" && store.instances.get(current)?.group !== store.instances.get(target)?.group;
  void putBeside(current, target, crosses ? step < 0 : step > 0, reordered);
}

export function toggleChosen() {
  const id = current;
  if (id !== null) mark(() => chooseOne(id, !together.has(id)));
}

export function clearChoice() {
  mark(() => together.clear());
}

/** @param {() => void} change of what is chosen together */
function mark(change) {
  change();
  for (const [id, row] of rows) row.chosen(together.has(id));
  showChoice(shown);
}

/** @param {Instance} instance @returns {Row} */
function addRow(instance) {
  const { id } = instance;
  const made = makeRow(id, choose, (handle) => draggable(handle, id, reordered));
  made.update(instance);
  made.chosen(false);
  made.row.addEventListener("click", (event) => {
    const box = event.target instanceof HTMLInputElement ? event.target : null;
    if (event.shiftKey) mark(() => chooseRange(shown, id));
    else if (box || event.ctrlKey || event.metaKey) mark(() => chooseOne(id, box ? box.checked : !together.has(id)));
  });
  made.row.addEventListener("mousedown", (event) => { if (event.shiftKey) event.preventDefault(); }); // selects no text
  rows.set(id, made);
  if (rows.size <= FILLED_AT_ONCE) fill(id);
  else near.observe(made.row);
  return made;
}

/** @param {number} id */
function fill(id) {
  const made = rows.get(id);
  if (!made) return;
  near.unobserve(made.row);
  made.fill();
}

export function updateTable() {
  for (const [id, { row }] of rows) {
    if (store.instances.has(id)) continue;
    near.unobserve(row);
    row.remove();
    rows.delete(id);
    if (current === id) current = null;
    if (reachable === id) reachable = undefined;
  }
  for (const [id, row] of rows) row.update(/** @type {Instance} */ (store.instances.get(id)));
  arrange();
}

/** @param {Instance} instance */
export function updateRow(instance) {
  rows.get(instance.id)?.update(instance);
  if (!waiting) (document.hidden ? setTimeout : requestAnimationFrame)(arrange);
  waiting = true;
}

/** Put the rows that are to be shown where they belong. */
function arrange() {
  waiting = false;
  const sought = filter().value.trim();
  const found = sorted(store.instances.values()).filter((instance) => matches(instance, sought));
  const wanted = [];
  shown = [];
  for (const group of grouped(found)) {
    const folded = arrangement.folded.includes(group.key);
    if (group.key) wanted.push(heading(group, folded, arrange));
    for (const instance of folded ? [] : group.members) {
      shown.push(instance.id);
      wanted.push((rows.get(instance.id) ?? addRow(instance)).row);
    }
  }
  reconcile(byId("rows"), wanted);
  byId("loading").hidden = store.ready;
  byId("empty").hidden = !store.ready || store.instances.size > 0;
  byId("no-match").hidden = !store.ready || found.length > 0 || store.instances.size === 0;
  choose(current);
  showChoice(shown);
}

function reordered() {
  showSort();
  arrange();
}

/** @param {HTMLElement} body @param {HTMLElement[]} wanted */
function reconcile(body, wanted) {
  const focused = document.activeElement;
  const kept = new Set(wanted);
  for (const child of [...body.children]) if (!kept.has(/** @type {HTMLElement} */ (child))) child.remove();
  let next = body.firstElementChild;
  for (const row of wanted) {
    if (row === next) next = next.nextElementSibling;
    else body.insertBefore(row, next);
  }
  if (focused !== document.activeElement && focused instanceof HTMLElement && body.contains(focused)) focused.focus({ preventScroll: true });
}

/** Let the shown times grow; while the connection is lost they stand still. */
export function updateTimes() {
  if (store.lostSince || document.hidden) return;
  for (const time of byId("rows").querySelectorAll("time")) setText(time, ago(time.dateTime));
}

export function beginTable() {
  near = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) if (isIntersecting) fill(Number(/** @type {HTMLElement} */ (target).dataset.instance));
  }, { root: byId("list"), rootMargin: "600px" });
  beginChoice();
  makeHeads(arrange);
  const grouping = /** @type {HTMLSelectElement} */ (byId("grouping"));
  grouping.value = arrangement.grouping;
  grouping.addEventListener("change", () => { rearrange({ grouping: /** @type {Grouping} */ (grouping.value) }); arrange(); });
  filter().addEventListener("input", arrange);
  feed.addEventListener("sample", () => {
    if (arrangement.sort in BY_FIGURE && !byId("rows").matches(":hover")) arrange(); // no row flees from the pointer
  });
  byId("choose-all").addEventListener("change", (event) => mark(() => {
    for (const id of shown) chooseOne(id, /** @type {HTMLInputElement} */ (event.target).checked);
  }));
  byId("choose-none").addEventListener("click", clearChoice);
}
