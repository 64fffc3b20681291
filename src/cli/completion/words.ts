/**
 * The words of a line as a shell would split it, the last one as far as it was typed (empty after a space). Quotes and
 * backslashes are taken away; nothing is expanded. `quote` is the one that is open at the end, if any.
 */
export function splitWords(line: string): { readonly words: readonly string[]; readonly quote: string } {
  const words: string[] = []
  let word: string | undefined
  let quote = ''
  for (let at = 0; at < line.length; at += 1) {
    const character = line.charAt(at)
    if (quote !== '') {
      if (character === quote) quote = ''
      else if (character === '\\' && quote === '"') word = (word ?? '') + line.charAt((at += 1))
      else word = (word ?? '') + character
    } else if (character === '"' || character === "'") {
      quote = character
      word ??= ''
    } else if (character === '\\') word = (word ?? '') + line.charAt((at += 1))
    else if (/\s/.test(character)) {
      if (word !== undefined) words.push(word)
      word = undefined
    } else word = (word ?? '') + character
  }
  return { words: [...words, word ?? ''], quote }
}
