/** The data sets that a task draws its instances from. @module */
export * from "./dataset_registry.ts";
export * from "./dataset_spec.ts";
