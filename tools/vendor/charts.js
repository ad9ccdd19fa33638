// What the charts take from npm.
export { default as uPlot } from "uplot";
import "uplot/dist/uPlot.min.css";
