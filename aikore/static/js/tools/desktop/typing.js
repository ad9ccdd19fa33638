/** Typing: a field that nobody sees has the focus in place of the picture. Keys go on as they are; what the browser
 * composes first (dead keys, input methods, on-screen keyboards) comes as text and is typed letter by letter. */

/** @type {Record<string, boolean>} keys that compose nothing themselves and may stand between a dead key and its letter */
const MODIFIERS = { Shift: true, AltGraph: true, Alt: true, Control: true, Meta: true, CapsLock: true };

export class Typing {
  /** @type {Map<string, KeyboardEvent>} what is pressed now, by its place */
  #held = new Map();
  /** a dead key was pressed, and the next key makes a letter of it */
  #dead = false;
  /** @type {KeyboardEvent | null} the key that pastes, while the browser looks for what */
  #pasting = null;

  /** @param {HTMLTextAreaElement} field @param {() => EventTarget | null} keys takes key events, where somebody does now @param {(text: string) => void} pasted what this browser's clipboard holds, right before it is pasted @param {() => void} leave somebody wants to go elsewhere by keyboard */
  constructor(field, keys, pasted, leave) {
    this.field = field;
    this.keys = keys;
    this.leave = leave;
    field.addEventListener("keydown", (event) => this.#down(event));
    field.addEventListener("keyup", (event) => this.#pass(event));
    field.addEventListener("blur", () => { for (const event of this.#held.values()) this.#send("keyup", event); this.#held.clear(); });
    field.addEventListener("input", (event) => this.#typed(/** @type {InputEvent} */ (event)));
    field.addEventListener("compositionend", () => this.#flush());
    field.addEventListener("paste", (event) => {
      event.preventDefault();
      pasted(event.clipboardData?.getData("text/plain") ?? "");
      this.#paste();
    });
  }

  /** @param {KeyboardEvent} event */
  #down(event) {
    if (this.#composes(event)) return;
    if (event.key.toLowerCase() === "v" && (event.ctrlKey || event.metaKey) && !event.altKey && !event.repeat) {
      this.#pasting = event; // the browser tells by an event of its own what it would paste
      setTimeout(() => this.#paste());
      return;
    }
    event.preventDefault();
    if (event.key === "Escape" && event.ctrlKey && event.altKey) this.leave();
    else this.#pass(event);
  }

  /** @param {KeyboardEvent} event @returns {boolean} whether the browser makes text of it */
  #composes(event) {
    if (event.isComposing || event.key === "Process" || event.keyCode === 229) return true;
    if (event.key === "Dead") {
      this.#dead = true;
      return true;
    }
    if (!this.#dead || MODIFIERS[event.key]) return false;
    this.#dead = false;
    return [...event.key].length === 1;
  }

  /** @param {KeyboardEvent} event */
  #pass(event) {
    if (event.type === "keyup") this.#held.delete(event.code);
    else this.#held.set(event.code, event);
    this.#send(event.type, event);
  }

  /** @param {string} type @param {KeyboardEvent} event */
  #send(type, event) {
    const { key, code, location, repeat, ctrlKey, shiftKey, altKey, metaKey, keyCode } = event;
    this.keys()?.dispatchEvent(new KeyboardEvent(type, {
      key, code, location, repeat, ctrlKey, shiftKey, altKey, metaKey, keyCode, cancelable: true,
      modifierAltGraph: event.getModifierState("AltGraph"), modifierNumLock: event.getModifierState("NumLock"), modifierCapsLock: event.getModifierState("CapsLock"),
    }));
  }

  #paste() {
    const event = this.#pasting;
    this.#pasting = null;
    if (event) this.#pass(event);
  }

  /** @param {InputEvent} event */
  #typed(event) {
    if (event.isComposing) return;
    if (event.inputType === "deleteContentBackward") this.#press("Backspace");
    this.#flush();
  }

  #flush() {
    for (const character of this.field.value) this.#press(character === "\n" ? "Enter" : character);
    this.field.value = "";
  }

  /** @param {string} key without a place on the keyboard */
  #press(key) {
    this.keys()?.dispatchEvent(new KeyboardEvent("keydown", { key, cancelable: true }));
  }
}
