/** A store's URL as it may be shown and kept. */
export function withoutCredentials(url: string): string {
  return url
    .replace(/^([a-z+]+:\/\/)[^/@]*@/u, '$1')
    .replaceAll(/([?&])(?:password|passwd|token|user)=[^&]*/giu, '$1')
    .replace(/[?&]+$/u, '')
}
