/** A store's URL as it may be shown and kept. */
export function withoutCredentials(url: string): string {
  return (
    url
      // To the last '@': an unescaped one, or a slash, may be part of the password.
      .replace(/^([a-z+]*:\/\/)(?!\/)[^?#]*@/iu, '$1')
      .replaceAll(/([?&])(?:password|passwd|token|user)=[^&]*/giu, '$1')
      .replace(/[?&]+$/u, '')
  )
}
