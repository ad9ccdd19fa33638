// What the desktop tool takes from npm.
// @ts-expect-error it carries no types; js/tools/desktop/screen.js names what it uses
export { default as RFB } from "@novnc/novnc";
