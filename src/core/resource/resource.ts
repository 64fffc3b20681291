import { InvalidRequestError } from '../errors.ts'
import type { Claim, Mode, Scope } from '../model.ts'
import { show } from '../show.ts'

/** What a caller may write where a resource is asked for. */
export type ResourceInput = string | { readonly resourceId: string; readonly mode?: Mode; readonly scope?: Scope }

/** The longest resource id, in bytes of UTF-8. */
const MAX_RESOURCE_BYTES = 1024

/** The most claims in one request. */
const MAX_CLAIMS = 128

const DEFAULT_TYPE = 'resource'
const TREE_SUFFIX = '/**'

/**
 * The claims of a request in canonical form: ids normalised, `x/**` read as a tree, equal claims merged
 * (of a shared and an exclusive one on the same resource the exclusive one stays; what a tree claim on the same
 * resource gives anyway is left out), in the caller's order.
 *
 * @throws InvalidRequestError that names the offending value and the rule.
 */
export function parseClaims(input: ResourceInput | readonly ResourceInput[], mode: Mode): Claim[] {
  const inputs = isList(input) ? input : [input]
  if (inputs.length === 0) throw new InvalidRequestError('No resource was named: a request needs 1 to 128 resources.')
  if (inputs.length > MAX_CLAIMS) {
    throw new InvalidRequestError(
      `${inputs.length} resources are too many for one request: the limit is ${MAX_CLAIMS}.`,
    )
  }
  const [only] = inputs
  if (only !== undefined && inputs.length === 1) return [parseClaim(only, mode)]
  const merged = new Map<string, Claim>()
  for (const each of inputs) {
    const claim = parseClaim(each, mode)
    const key = `${claim.scope} ${claim.resourceId}`
    const known = merged.get(key)
    if (known === undefined || claim.mode === 'exclusive') merged.set(key, claim)
  }
  const claims = [...merged.values()]
  return claims.filter((claim) => !claims.some((tree) => tree !== claim && isSameButWider(tree, claim)))
}

function isSameButWider(outer: Claim, inner: Claim): boolean {
  return outer.resourceId === inner.resourceId && covers(outer, inner)
}

/** One claim in canonical form; see {@link parseClaims}. */
export function parseClaim(input: ResourceInput, defaultMode: Mode): Claim {
  const given: unknown = input
  if (typeof given === 'string') return { ...parseResource(given), mode: checkMode(defaultMode) }
  if (typeof given !== 'object' || given === null || !('resourceId' in given) || typeof given.resourceId !== 'string') {
    throw new InvalidRequestError(
      `${show(given)} is not a resource: give an id such as 'file:src/a.ts', or { resourceId, mode, scope }.`,
    )
  }
  const known = new Set(['resourceId', 'mode', 'scope'])
  const unknown = Object.keys(given).find((key) => !known.has(key))
  if (unknown !== undefined) {
    throw new InvalidRequestError(`'${unknown}' is not a property of a resource: known are resourceId, mode and scope.`)
  }
  const { mode = defaultMode, scope } = input as { mode?: Mode; scope?: Scope }
  const parsed = parseResource(given.resourceId)
  if (scope !== undefined && scope !== 'node' && scope !== 'tree') {
    throw new InvalidRequestError(`${show(scope)} is not a scope: use 'node' or 'tree'.`)
  }
  if (parsed.scope === 'tree' && scope === 'node') {
    throw new InvalidRequestError(
      `'${given.resourceId}' names a tree, but its scope says 'node': leave one of the two out.`,
    )
  }
  return { ...parsed, scope: scope ?? parsed.scope, mode: checkMode(mode) }
}

/** @throws InvalidRequestError if the value is not a mode. */
export function checkMode(mode: unknown): Mode {
  if (mode === 'exclusive' || mode === 'shared') return mode
  throw new InvalidRequestError(`${show(mode)} is not a mode: use 'exclusive' or 'shared'.`)
}

/** Splits an id as written into its canonical id and its scope. */
export function parseResource(written: string): { readonly resourceId: string; readonly scope: Scope } {
  checkText(written)
  const colon = written.indexOf(':')
  if (colon === 0) throw new InvalidRequestError(`'${written}' has an empty type: write 'type:path'.`)
  const type = colon < 0 ? DEFAULT_TYPE : written.slice(0, colon)
  const rest = colon < 0 ? written : written.slice(colon + 1)
  const isTree = rest === '**' || rest.endsWith(TREE_SUFFIX)
  const path = rest === '**' ? '' : isTree ? rest.slice(0, -TREE_SUFFIX.length) : rest
  if (type === 'file') checkRelative(rest, written)
  const canonical = type === 'file' ? normaliseFilePath(path, written) : path
  checkNoTree(canonical, written)
  const resourceId = `${type}:${canonical}`
  checkLength(resourceId)
  return { resourceId, scope: isTree ? 'tree' : 'node' }
}

/** A claim as its user may have written it: what {@link parseResource} reads. */
export function claimText({ resourceId, scope }: Pick<Claim, 'resourceId' | 'scope'>): string {
  if (scope === 'node') return resourceId
  return prefixUnder(resourceId) === resourceId ? `${resourceId}**` : `${resourceId}${TREE_SUFFIX}`
}

function checkText(written: string): void {
  if (written.length === 0) throw new InvalidRequestError('An empty string is not a resource id.')
  checkLength(written)
  if (/\p{Cc}/u.test(written)) {
    throw new InvalidRequestError(`${JSON.stringify(written)} has a control character, which no resource id may have.`)
  }
  if (!written.isWellFormed()) {
    throw new InvalidRequestError(
      `${JSON.stringify(written)} is not well-formed Unicode: it has half of a surrogate pair.`,
    )
  }
}

function checkLength(id: string): void {
  // Each code unit takes at most three bytes: most ids need not be measured.
  if (id.length * 3 <= MAX_RESOURCE_BYTES) return
  const bytes = Buffer.byteLength(id)
  if (bytes <= MAX_RESOURCE_BYTES) return
  throw new InvalidRequestError(
    `A resource id of ${bytes} bytes is too long ('${id.slice(0, 40)}…'): the limit is ${MAX_RESOURCE_BYTES}.`,
  )
}

function checkRelative(path: string, written: string): void {
  if (!path.startsWith('/')) return
  throw new InvalidRequestError(
    `'${written}' is an absolute path: file resources are relative to a root (fileResource makes one).`,
  )
}

/** A canonical id must read as itself: one that ended like this would be taken for a tree. */
function checkNoTree(path: string, written: string): void {
  if (path !== '**' && !path.endsWith(TREE_SUFFIX)) return
  throw new InvalidRequestError(`'${written}' cannot be read: '**' stands once, at the very end, and means a tree.`)
}

/** Lexical only: two spellings of one path are one id. Symlinks and case are the business of `fileResource`. */
function normaliseFilePath(path: string, written: string): string {
  const segments: string[] = []
  for (const segment of path.split('/')) {
    if (segment === '' || segment === '.') continue
    if (segment !== '..') segments.push(segment)
    else if (segments.pop() === undefined) {
      throw new InvalidRequestError(`'${written}' climbs out of its root.`)
    }
  }
  return segments.join('/')
}

/** The part of an id before its first colon. */
export function typeOf(resourceId: string): string {
  return resourceId.slice(0, resourceId.indexOf(':'))
}

/** The ids above this one, nearest first; the last is the root of the type. A root has none. */
export function ancestorsOf(resourceId: string): string[] {
  const root = resourceId.indexOf(':') + 1
  if (resourceId.length === root) return []
  const ancestors: string[] = []
  for (let cut = resourceId.lastIndexOf('/'); cut >= root; cut = resourceId.lastIndexOf('/', cut - 1)) {
    if (cut > root) ancestors.push(resourceId.slice(0, cut))
    else break
  }
  ancestors.push(resourceId.slice(0, root))
  return ancestors
}

/** What every id strictly under this one starts with. */
export function prefixUnder(resourceId: string): string {
  return resourceId.endsWith(':') && resourceId.indexOf(':') === resourceId.length - 1 ? resourceId : `${resourceId}/`
}

/** Whether an id lies strictly under another. */
export function isUnder(resourceId: string, ancestor: string): boolean {
  return resourceId.length > ancestor.length && resourceId.startsWith(prefixUnder(ancestor))
}

/** Whether everything that `inner` touches, `outer` touches too, modes aside. */
export function reachesOver(outer: Claim, inner: Claim): boolean {
  if (outer.resourceId === inner.resourceId) return outer.scope === 'tree' || inner.scope === 'node'
  return outer.scope === 'tree' && isUnder(inner.resourceId, outer.resourceId)
}

/** Whether holding `outer` gives everything that holding `inner` would give. */
export function covers(outer: Claim, inner: Claim): boolean {
  return (outer.mode === 'exclusive' || inner.mode === 'shared') && reachesOver(outer, inner)
}

/** The modes that a claim of a mode conflicts with. */
export const AGAINST: Readonly<Record<Mode, readonly Mode[]>> = {
  exclusive: ['exclusive', 'shared'],
  shared: ['exclusive'],
}

/** Whether two claims overlap and at least one of them is exclusive. */
export function conflicts(a: Claim, b: Claim): boolean {
  if (!AGAINST[a.mode].includes(b.mode)) return false
  return a.resourceId === b.resourceId || reachesOver(a, b) || reachesOver(b, a)
}

/** How claims lock as a whole: `exclusive` if one of them does. */
export function modeOf(claims: readonly Claim[]): Mode {
  return claims.some(({ mode }) => mode === 'exclusive') ? 'exclusive' : 'shared'
}

/** Whether any of these claims conflicts with any of those. */
export function meet(ours: readonly Claim[], theirs: readonly Claim[]): boolean {
  return ours.some((mine) => theirs.some((their) => conflicts(mine, their)))
}

function isList(input: ResourceInput | readonly ResourceInput[]): input is readonly ResourceInput[] {
  return Array.isArray(input)
}
