// Imported before everything else, and plain enough for any Node that knows ES modules: it must run where nothing else would.

/** The oldest Node that this package runs on, as [major, minor]. */
const OLDEST: readonly [number, number] = [22, 14]

/**
 * What to tell the user of an unsupported Node.
 *
 * @param version as in `process.versions.node`
 * @returns `undefined` where the version will do
 */
export function complaintAboutNode(version: string): string | undefined {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1])) return undefined
  return `holdfast needs Node.js ${OLDEST.join('.')} or newer, but this is ${version}: install a newer one (https://nodejs.org) and try again.`
}

const complaint = complaintAboutNode(process.versions.node)
if (complaint !== undefined) throw new Error(complaint)
