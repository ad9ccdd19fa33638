/** The server's rules for an instance, so that a form says at once what would be refused. The server has the last word. */

const NAME_MAX = 80;
const GROUP_MAX = 60;
const TEXT_MAX = 8192;
const HOST_MAX = 253;
const VARIABLES_MAX = 200;
const NETWORKS_MAX = 50;
const OUTER_SPACE = /^[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+|[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+$/g;
const UNSHOWN = /[\p{Cc}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069\u200e\u200f\u061c]/u;
const HOST_LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/;
const RESERVED = new Set(["WEBUI_PORT", "INSTANCE_NAME", "INSTANCE_CONF_DIR", "INSTANCE_OUTPUT_DIR", "MODELS_DIR", "BLUEPRINT_ID", "SUBFOLDER",
  "LAUNCH_ARGS", "AIKORE_FUNCTIONS", "AIKORE_CACHE_DIR", "AIKORE_STAGE_FILE", "AIKORE_REBUILD", "AIKORE_RUN"]);
const OCTET = "(25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)";
const IPV4 = new RegExp(`^${OCTET}(\\.${OCTET}){3}$`);

/** @param {string} text */
const characters = (text) => [...text].length;

/** @param {string} name @returns {string} what makes two names the same to a reader */
export const nameKey = (name) => name.normalize("NFKC").toUpperCase().toLowerCase();

/** @param {string} name @returns {string} as it is stored */
const cleaned = (name) => name.normalize("NFC").replace(OUTER_SPACE, "").replace(/ {2,}/g, " ");

/** @param {string} name @param {Iterable<string>} taken names of other instances @returns {string} what is wrong, or "" */
export function nameProblem(name, taken) {
  const text = cleaned(name);
  if (!text) return "A name needs at least one visible character.";
  if (characters(text) > NAME_MAX) return `The name has ${characters(text)} characters; ${NAME_MAX} are possible. Shorten it.`;
  const unshown = UNSHOWN.exec(text)?.[0].codePointAt(0);
  if (unshown !== undefined) return `The name holds the character U+${unshown.toString(16).toUpperCase().padStart(4, "0")}, which cannot be shown. Remove it.`;
  for (const other of taken) if (nameKey(other) === nameKey(text)) return `There is already an instance called '${other}'. Choose another name.`;
  return "";
}

/** @param {string} group @returns {string} */
export function groupProblem(group) {
  const text = cleaned(group);
  if (characters(text) > GROUP_MAX) return `The group's name has ${characters(text)} characters; ${GROUP_MAX} are possible. Shorten it.`;
  return text && nameProblem(text, []);
}

/** @param {string} hostname @returns {string} */
export function hostnameProblem(hostname) {
  const text = hostname.replace(OUTER_SPACE, "").toLowerCase().replace(/\.+$/, "");
  if (characters(hostname) > HOST_MAX) return `The host name has ${characters(hostname)} characters; ${HOST_MAX} are possible.`;
  if (!text || (text.split(".").every((label) => HOST_LABEL.test(label)) && !/^[0-9.]+$/.test(text))) return "";
  return "This is not a host name; write it like comfy.example.lan.";
}

/** @param {[string, string][]} variables @returns {string} */
export function variablesProblem(variables) {
  const seen = new Set();
  for (const [name, value] of variables) {
    if (!VARIABLE.test(name)) return `'${name}' cannot be the name of a variable: letters, digits and _ are possible, a digit not first.`;
    if (RESERVED.has(name)) return `${name} is set by AiKore itself; choose another name.`;
    if (seen.has(name)) return `${name} is there twice.`;
    if (textProblem(value)) return `${name}: ${textProblem(value)}`;
    seen.add(name);
  }
  return variables.length > VARIABLES_MAX ? `${variables.length} variables are too many; ${VARIABLES_MAX} are possible.` : "";
}

/** @param {string} text @returns {string} */
export function textProblem(text) {
  if (characters(text) > TEXT_MAX) return `This has ${characters(text)} characters; ${TEXT_MAX} are possible.`;
  return text.includes("\0") ? "This holds a NUL character. Remove it." : "";
}

/** @param {string[]} networks @returns {string} */
export function networksProblem(networks) {
  const wrong = networks.find((network) => !isNetwork(network));
  if (wrong !== undefined) return `'${wrong}' is no network; write one like 192.168.1.0/24.`;
  return networks.length > NETWORKS_MAX ? `${networks.length} networks are too many; ${NETWORKS_MAX} are possible.` : "";
}

/** @param {string} network */
function isNetwork(network) {
  const [address = "", bits, ...rest] = network.split("/");
  if (rest.length) return false;
  if (IPV4.test(address)) return bits === undefined || (/^\d+$/.test(bits) && Number(bits) <= 32) || IPV4.test(bits); // the server knows masks
  return URL.canParse(`http://[${address}]`) && (bits === undefined || (/^\d+$/.test(bits) && Number(bits) <= 128));
}
