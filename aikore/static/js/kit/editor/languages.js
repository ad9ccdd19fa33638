/** Which language a file is written in, by its name. */

/** @typedef {typeof import("../../../../../tools/vendor/editor.js")} Parts */
/** @typedef {import("@codemirror/language").StreamParser<any>} Language */

/** @type {[RegExp, (parts: Parts) => Language][]} */
const LANGUAGES = [
  [/\.(sh|bash|zsh)$|^\.?(bashrc|profile|bash_profile|env)$/, (parts) => parts.shell],
  [/\.pyi?$/, (parts) => parts.python],
  [/\.(json|jsonl|ipynb|webmanifest)$/, (parts) => parts.json],
  [/\.ya?ml$/, (parts) => parts.yaml],
  [/\.toml$|^(uv|poetry)\.lock$/, (parts) => parts.toml],
  [/\.(ini|cfg|conf|env|properties)$/, (parts) => parts.properties],
  [/\.[cm]?jsx?$/, (parts) => parts.javascript],
  [/\.tsx?$/, (parts) => parts.typescript],
  [/\.css$/, (parts) => parts.css],
  [/\.html?$/, (parts) => parts.html],
  [/\.(xml|svg)$/, (parts) => parts.xml],
  [/\.(diff|patch)$/, (parts) => parts.diff],
  [/^dockerfile|\.dockerfile$/, (parts) => parts.dockerFile],
];

/** @param {Parts} parts @param {string} file @returns {Language | null} */
export function languageOf(parts, file) {
  const name = file.toLowerCase();
  return LANGUAGES.find(([pattern]) => pattern.test(name))?.[1](parts) ?? null;
}
