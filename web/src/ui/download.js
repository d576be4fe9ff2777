// @ts-check
// Hands bytes made in the page to the browser's download. No request leaves the page.

/** @param {string} name @param {BlobPart} content @param {string} type */
export function download(name, content, type) {
  const url = URL.createObjectURL(new Blob([content], { type }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  // The browser has read the address when the click returns; the content is kept until then.
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
