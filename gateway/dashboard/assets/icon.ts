/** The page's icon. @module */

/** Three bars, as on the page. */
export const ICON: string = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">` +
  `<rect width="32" height="32" rx="7" fill="#2450b8"/>` +
  `<g fill="#fff"><rect x="6" y="8" width="20" height="4" rx="2"/>` +
  `<rect x="6" y="14" width="13" height="4" rx="2"/>` +
  `<rect x="6" y="20" width="8" height="4" rx="2"/></g></svg>`;
