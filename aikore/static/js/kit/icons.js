/** Our own line drawings on a 20 px grid, one stroke weight. Each is the `d` of one path. */

const SVG = "http://www.w3.org/2000/svg";

const PATHS = {
  nodes: "M3 4h5v4H3zM12 4h5v4h-5zM8 12.5h5v4H8zM8 6h4M5.5 8v2.5a2 2 0 0 0 2 2H8M14.5 8v4.5a2 2 0 0 1-1.5 2",
  notebook: "M6 3h9v14H6zM6 3v14M3.5 6H6M3.5 10H6M3.5 14H6M9 7h3.5M9 10h3.5",
  page: "M5 2.5h6.5L15 6v11.5H5zM11.5 2.5V6H15M8 10h4.5M8 13h4.5",
  lines: "M3.5 5h13M3.5 8.5h9M3.5 12h13M3.5 15.5h6",
  picture: "M3 4h14v12H3zM3 13l4-4 4 4 2.5-2.5L17 14M12.5 7.5h.01",
  film: "M3 4h14v12H3zM7 4v12M13 4v12M3 8h4M3 12h4M13 8h4M13 12h4",
  wave: "M3 8.5v3M6 5.5v9M9 3v14M12 6.5v7M15 4.5v11M17.5 8.5v3",
  speech: "M3 4h14v9.5H9.5L6 16.5v-3H3zM6.5 7.5h7M6.5 10.5h4.5",
  folder: "M2.5 5h5l1.5 2h8.5v9h-15z",
  link: "M8.5 11.5a3 3 0 0 0 4.2 0l3-3a3 3 0 0 0-4.2-4.2L10.3 5.5M11.5 8.5a3 3 0 0 0-4.2 0l-3 3a3 3 0 0 0 4.2 4.2l1.2-1.2",
  code: "m7 6-4 4 4 4M13 6l4 4-4 4M11.5 4l-3 12",
  dial: "M3 14a7 7 0 1 1 14 0M10 14l3.5-4.5M5 14h.01M15 14h.01",
  cube: "m10 2.5 6.5 3.75v7.5L10 17.5l-6.5-3.75v-7.5zM3.5 6.25 10 10l6.5-3.75M10 10v7.5",
  open: "M3.5 4h13v12h-13zM3.5 7.5h13M6 5.75h.01M8 5.75h.01",
  more: "M4 10a.7.7 0 1 0 1.4 0 .7.7 0 1 0-1.4 0M9.3 10a.7.7 0 1 0 1.4 0 .7.7 0 1 0-1.4 0M14.6 10a.7.7 0 1 0 1.4 0 .7.7 0 1 0-1.4 0",
  close: "m5.5 5.5 9 9M14.5 5.5l-9 9",
  split: "M3 4h14v12H3zM10 4v12",
  fold: "m5 8 5 5 5-5",
  sun: "M10 6.5a3.5 3.5 0 1 0 0 7 3.5 3.5 0 0 0 0-7M10 2v1.5M10 16.5V18M2 10h1.5M16.5 10H18M4.3 4.3l1.1 1.1M14.6 14.6l1.1 1.1M4.3 15.7l1.1-1.1M14.6 5.4l1.1-1.1",
  moon: "M16 11.5A6.5 6.5 0 0 1 8.5 4a6.5 6.5 0 1 0 7.5 7.5",
  bell: "M5 14h10l-1.2-2V8.5a3.8 3.8 0 0 0-7.6 0V12zM8.5 16.5h3",
  bin: "M4 5.5h12M8 5.5V3.5h4v2M5.5 5.5l.8 11h7.4l.8-11M8.5 8.5v5M11.5 8.5v5",
  find: "M8.5 3.5a5 5 0 1 0 0 10 5 5 0 0 0 0-10M12.2 12.2l4.3 4.3",
};

/** @typedef {keyof typeof PATHS} IconName */

/** @param {IconName} name @returns {SVGSVGElement} */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 20 20");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}

/** @type {[RegExp, IconName][]} what a blueprint's name or category says, and its drawing */
const KINDS = [
  [/comfy|node|flow/i, "nodes"], [/jupyter|notebook/i, "notebook"], [/video|film|animat/i, "film"],
  [/audio|music|speech|voice|sound/i, "wave"], [/train|tun|lora/i, "dial"], [/image|paint|diffusion|photo/i, "picture"],
  [/chat|language|text|llm/i, "speech"], [/code|develop/i, "code"], [/test|log/i, "lines"], [/static|file|page|web/i, "page"],
];

/** @param {string} words name and category of a blueprint @returns {IconName} */
export function blueprintIcon(words) {
  return KINDS.find(([pattern]) => pattern.test(words))?.[1] ?? "cube";
}
