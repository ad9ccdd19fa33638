/** Asks the server what is wrong with a script, a moment after the last change. */

import { call, Problem } from "../../house/api.js";
import { el, setText } from "../../kit/dom.js";

/** @import {Finding} from "../../kit/editor/code.js" */
/** @import {Payloads} from "../../house/types.js" */
/** @typedef {Payloads["ProblemView"]} Reported */

const PAUSE_MS = 500;

/** @param {() => ReturnType<typeof import("../../kit/editor/code.js").makeCode>} code */
export function makeFindings(code) {
  let timer = 0;
  let run = 0;
  let able = true;
  const button = el("button", { class: "quiet", hidden: true, "data-testid": "script-problems", onclick: () => code().listFindings() });

  const check = async () => {
    const mine = ++run;
    try {
      const { data } = await call("POST", "/api/scripts/check", { content: code().text });
      if (mine !== run) return;
      show(data.problems, data.tool);
    } catch (error) {
      if (error instanceof Problem && [403, 404, 405].includes(error.status)) able = false; // this server checks no scripts
    }
  };
  /** @param {Reported[]} problems @param {string | null} tool */
  const show = (problems, tool) => {
    code().findings(problems.map((one) => ({
      from: { line: one.line, column: one.column }, to: { line: one.end_line, column: one.end_column },
      level: one.level, message: one.code ? `${one.message} (${one.code})` : one.message,
    })));
    button.hidden = problems.length === 0;
    button.title = tool ? `found by ${tool}` : "";
    setText(button, problems.length === 1 ? "1 problem" : `${problems.length} problems`);
  };
  return {
    button,
    soon: () => {
      clearTimeout(timer);
      run++;
      if (able) timer = window.setTimeout(() => void check(), PAUSE_MS);
    },
    close: () => { clearTimeout(timer); run++; },
  };
}
