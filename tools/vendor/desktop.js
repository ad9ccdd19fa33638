// What the desktop tool takes from npm.
export { default as RFB } from "@novnc/novnc";
