/** Typing by an on-screen keyboard: it gives text, and a desktop wants keys. */

/** @type {Record<string, number>} names of keys that give no text, and their X keysyms */
const KEYS = { Enter: 0xff0d, Backspace: 0xff08, Tab: 0xff09, Escape: 0xff1b, ArrowLeft: 0xff51, ArrowUp: 0xff52, ArrowRight: 0xff53, ArrowDown: 0xff54 };

/** @param {string} character @returns {number} its X keysym: Latin-1 as it is, all others above 0x1000000 */
function keysym(character) {
  const point = character.codePointAt(0) ?? 0;
  return (point >= 0x20 && point <= 0x7e) || (point >= 0xa0 && point <= 0xff) ? point : 0x1000000 + point;
}

/** @param {HTMLInputElement} field that takes the text and stays empty @param {(keysym: number) => void} press */
export function typeText(field, press) {
  field.addEventListener("keydown", (event) => {
    const key = KEYS[event.key];
    if (!key) return;
    event.preventDefault();
    press(key);
  });
  field.addEventListener("input", (event) => {
    const { isComposing, inputType } = /** @type {InputEvent} */ (event);
    if (isComposing) return;
    if (inputType === "deleteContentBackward") press(KEYS.Backspace ?? 0);
    for (const character of field.value) press(keysym(character));
    field.value = "";
  });
}
