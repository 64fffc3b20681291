import { type Comment, type ParseResult, parseSync, Visitor } from 'oxc-parser'

/** How a file uses another: `type` leaves nothing at run time, `dynamic` loads it only when the line is reached. */
export type ImportKind = 'static' | 'type' | 'dynamic'

/** `from` is null where the name is computed, so that nobody can tell what is loaded. */
export interface Import {
  readonly kind: ImportKind
  readonly from: string | null
}

export interface ParsedFile {
  readonly imports: readonly Import[]
  readonly comments: readonly string[]
}

/** Everything that a TypeScript source loads or takes types from, in any form that the language has. */
export function parseFile(path: string, source: string): ParsedFile {
  const result = parseSync(path, source)
  const [error] = result.errors
  if (error) throw new SyntaxError(`${path} does not parse: ${error.message}`)
  return {
    imports: importsOf(result.program),
    comments: result.comments.map((comment: Comment) => comment.value.trim()),
  }
}

function importsOf(program: ParseResult['program']): readonly Import[] {
  const found: Import[] = []
  const add = (kind: ImportKind, from: string | null): void => void found.push({ kind, from })
  const kindOf = (kind: 'type' | 'value' | undefined): ImportKind => (kind === 'type' ? 'type' : 'static')

  new Visitor({
    ImportDeclaration: (node) => add(kindOf(node.importKind), node.source.value),
    ExportAllDeclaration: (node) => add(kindOf(node.exportKind), node.source.value),
    ExportNamedDeclaration: (node) => {
      if (node.source) add(kindOf(node.exportKind), node.source.value)
    },
    ImportExpression: (node) => add('dynamic', textOf(node.source)),
    TSImportType: (node) => add('type', node.source.value),
    TSExternalModuleReference: (node) => add('static', node.expression.value),
    CallExpression: ({ callee, arguments: [argument] }) => {
      if (callee.type === 'Identifier' && callee.name === 'require') add('dynamic', textOf(argument))
    },
  }).visit(program)
  return found
}

interface Expression {
  readonly type: string
  readonly value?: unknown
  readonly quasis?: readonly { readonly value: { readonly cooked: string | null } }[]
}

function textOf(expression: Expression | undefined): string | null {
  if (expression?.type === 'Literal' && typeof expression.value === 'string') return expression.value
  if (expression?.type === 'TemplateLiteral' && expression.quasis?.length === 1) {
    return expression.quasis[0]?.value.cooked ?? null
  }
  return null
}
