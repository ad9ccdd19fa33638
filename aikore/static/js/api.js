/** The HTTP interface. Every refusal becomes a Problem with the server's own words. */

/** Where this AiKore lives, `/` or a sub-path, as the address of this module, or of the bundle it is in, says. */
export const BASE = new URL(import.meta.url).pathname.replace(/static\/(v-[0-9a-f]+\/)?(js|dist)\/\w+\.js$/, "");

/** @param {string} path as the documentation has it, such as `/api/…` @returns {string} the same below our base */
export const address = (path) => BASE + path.slice(1);

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
    if (data?.code === "login_required") document.dispatchEvent(new Event("login-required"));
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
