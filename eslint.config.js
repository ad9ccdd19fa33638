import globals from "globals";

const rules = {
  "no-undef": "error", "no-unused-vars": "error", "prefer-const": "error", "eqeqeq": "error", "no-var": "error",
  "no-restricted-properties": ["error",
    { property: "innerHTML", message: "Text stays text: use textContent." },
    { property: "outerHTML", message: "Text stays text: use textContent." },
    { property: "insertAdjacentHTML", message: "Text stays text: use textContent." }],
};

export default [
  { ignores: ["aikore/static/vendor/", "aikore/static/dist/"] },
  {
    files: ["aikore/static/**/*.js", "tools/vendor/*.js"],
    languageOptions: { ecmaVersion: 2024, sourceType: "module", globals: globals.browser },
    rules,
  },
  {
    files: ["tests/js/*.js"],
    languageOptions: { ecmaVersion: 2024, sourceType: "module", globals: globals.nodeBuiltin },
    rules,
  },
];
