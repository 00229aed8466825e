/** What a plugin's entry file exports for the host: export * from "trama-pdk/exports". */
export { trama_input, trama_output } from "./assembly/sys";
