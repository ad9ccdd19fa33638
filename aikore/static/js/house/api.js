/** The HTTP interface. Every refusal becomes a Problem with the server's own words. */

import { address } from "../kit/base.js";

/** Tells `required` when an answer says that nobody is logged in any more. */
export const login = new EventTarget();

export class Problem extends Error {
  /** @param {number} status @param {string} code @param {string} detail */
  constructor(status, code, detail) {
    super(detail);
    this.status = status;
    this.code = code;
  }
}

/**
 * @param {string} method
 * @param {string} path
 * @param {unknown} [body]
 * @param {Record<string, string>} [headers]
 * @returns {Promise<{data: any, headers: Headers}>}
 */
export async function call(method, path, body, headers = {}) {
  let answer;
  try {
    answer = await fetch(address(path), {
      method,
      headers: body === undefined ? headers : { "Content-Type": "application/json", ...headers },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch {
    throw new Problem(0, "unreachable", "AiKore does not answer. Is it still running?");
  }
  const text = await answer.text();
  const data = parsed(text);
  if (!answer.ok) {
    if (data?.code === "login_required") login.dispatchEvent(new Event("required"));
    throw new Problem(answer.status, data?.code ?? "unknown", data?.detail ?? `AiKore answered ${answer.status} ${answer.statusText}.`);
  }
  return { data, headers: answer.headers };
}

/** @param {string} text @returns {any} null when it is no JSON, as an error page of something in between */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** @param {number} id @param {string} action */
export const wish = (id, action) => call("POST", `/api/instances/${id}/${action}`);

/** @param {string} path @returns {string} */
export function socketUrl(path) {
  const url = new URL(address(path), location.href);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return url.href;
}
