/** Whether an emulator answers what programs ask of it: of several viewers of one terminal one does, and nobody answers a
 * replayed history. */

/** DA1 to DA3, DSR and its private form, both forms of DECRQM, XTVERSION, keyboard flags.
 * @type {import("@xterm/xterm").IFunctionIdentifier[]} */
const CSI = [
  { final: "c" }, { prefix: ">", final: "c" }, { prefix: "=", final: "c" }, { final: "n" }, { prefix: "?", final: "n" },
  { intermediates: "$", final: "p" }, { prefix: "?", intermediates: "$", final: "p" },
  { prefix: ">", final: "q" }, { prefix: "?", final: "u" },
];
/** DECRQSS, XTGETTCAP. */
const DCS = [{ intermediates: "$", final: "q" }, { intermediates: "+", final: "q" }];
/** Colours and the clipboard: with a question mark they ask, without they set. */
const OSC = [4, 5, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 52];

/** @param {import("@xterm/xterm").Terminal} terminal */
export function makeReplies(terminal) {
  /** What is on its way through the parser, oldest first: whether its queries are answered. @type {boolean[]} */
  const passing = [];
  const swallowed = () => passing[0] === false;
  for (const id of CSI) terminal.parser.registerCsiHandler(id, swallowed);
  for (const id of DCS) terminal.parser.registerDcsHandler(id, swallowed);
  for (const id of OSC) terminal.parser.registerOscHandler(id, (data) => data.includes("?") && swallowed());
  return {
    /** @param {string | Uint8Array} data @param {boolean} answers @param {() => void} [shown] */
    write(data, answers, shown) {
      passing.push(answers);
      terminal.write(data, () => { passing.shift(); shown?.(); });
    },
  };
}
