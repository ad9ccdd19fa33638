// What the desktop tool takes from npm.
// @ts-expect-error it carries no types; js/desktop/screen.js names what it uses
export { default as RFB } from "@novnc/novnc";
