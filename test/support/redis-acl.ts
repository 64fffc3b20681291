import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './repository.ts'

/** What the documentation tells people to give a user, behind its password. */
export function documentedRules(): readonly string[] {
  const text = readFileSync(join(root, 'docs/stores/redis.md'), 'utf8')
  const command = /^ACL SETUSER holdfast on >PASSWORD (?<rules>[^`]*)^```/mu.exec(text)?.groups?.['rules']
  if (command === undefined) throw new Error('docs/stores/redis.md has no ACL SETUSER command.')
  return command.trim().split(/\s+/u)
}
