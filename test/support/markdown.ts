/** A fenced block of a Markdown file. */
export interface CodeBlock {
  /** The first word after the fence, `ts` for example; empty where there is none. */
  readonly language: string
  /** What follows the language. */
  readonly mark: string
  /** Of the first line of the code, counted from 1. */
  readonly line: number
  readonly code: string
}

export interface Link {
  readonly line: number
  readonly target: string
}

/** It may be indented, as a part of a list. */
const FENCE = /^(?<fence> *`{3,})(?<language>\S*) *(?<mark>.*)$/

export function codeBlocks(markdown: string): readonly CodeBlock[] {
  const blocks: CodeBlock[] = []
  const lines = markdown.split('\n')
  for (let at = 0; at < lines.length; at += 1) {
    const { fence, language = '', mark = '' } = FENCE.exec(lines[at] ?? '')?.groups ?? {}
    if (fence === undefined) continue
    const end = lines.indexOf(fence, at + 1)
    if (end < 0) throw new Error(`line ${at + 1}: this block never ends`)
    const indent = fence.lastIndexOf(' ') + 1
    const code = lines.slice(at + 1, end).map((line) => line.slice(indent))
    blocks.push({ language, mark: mark.trim(), line: at + 2, code: code.join('\n') })
    at = end
  }
  return blocks
}

/** Links and images of the text, not of its code. */
export function linksOf(markdown: string): readonly Link[] {
  return proseLines(markdown).flatMap(({ line, text }) =>
    [...text.replaceAll(/`[^`]*`/g, '').matchAll(/\]\((?<target>[^)\s]+)\)/g)].map(({ groups }) => ({
      line,
      target: groups?.['target'] ?? '',
    })),
  )
}

/** What a heading can be linked by, as GitHub makes it: of equal ones the second gets `-1`, and so on. */
export function anchorsOf(markdown: string): ReadonlySet<string> {
  const anchors = new Set<string>()
  for (const { text } of proseLines(markdown)) {
    const heading = /^#{1,6} +(?<heading>.+?)\s*$/.exec(text)?.groups?.['heading']
    if (heading === undefined) continue
    const slug = heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(/\s/g, '-')
    let anchor = slug
    for (let again = 1; anchors.has(anchor); again += 1) anchor = `${slug}-${again}`
    anchors.add(anchor)
  }
  return anchors
}

function proseLines(markdown: string): readonly { readonly line: number; readonly text: string }[] {
  const code = new Set(
    codeBlocks(markdown).flatMap((block) => block.code.split('\n').map((_, offset) => block.line + offset)),
  )
  return markdown
    .split('\n')
    .map((text, index) => ({ line: index + 1, text }))
    .filter(({ line }) => !code.has(line))
}
