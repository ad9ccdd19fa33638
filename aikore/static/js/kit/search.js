/** Finding by parts of words, nearest first. */

/** @param {string} text @param {string[]} parts @returns {number} how far it is from what is sought; infinite: not it */
function distance(text, parts) {
  let sum = 0;
  for (const part of parts) {
    const at = text.indexOf(part);
    if (at < 0) return Infinity;
    sum += at === 0 ? 0 : /\s|·|-/.test(text[at - 1] ?? "") ? 1 : 2 + at / 1000;
  }
  return sum;
}

/** @template T @param {T[]} all @param {(one: T) => string} textOf @param {string} sought parts of words, in any order @returns {T[]} those that hold all parts */
export function ranked(all, textOf, sought) {
  const parts = sought.toLowerCase().split(/\s+/).filter(Boolean);
  return all.map((one) => ({ one, far: distance(textOf(one).toLowerCase(), parts) }))
    .filter(({ far }) => far < Infinity).sort((a, b) => a.far - b.far).map(({ one }) => one);
}
