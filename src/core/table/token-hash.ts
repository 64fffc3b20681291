import { hash } from 'node:crypto'

/** What the tables of this process keep of an ownership token: enough to know it again, not to make it. */
export function hashToken(token: string): string {
  return hash('sha256', token, 'base64url')
}
