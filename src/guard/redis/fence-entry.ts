import { checkResetTo } from '../fence.ts'
import { type RedisClient, readScript, runScript } from './client.ts'
import { fenceKeyOf } from './fence-key.ts'

/** What the scripts of this folder can read and write. */
export type Kind = 'string' | 'hash'

/** How long a fence is kept, as the scripts want it: milliseconds, or nothing for ever. */
export type Keep = string

export const KEEP_FOR_EVER: Keep = ''

const ENTER = readScript('./enter.lua')
const RESET = readScript('./reset.lua')

/** Enters with a token, and reads the value unless a higher one had entered: which is highest then, and the value. */
export async function enterKey(
  client: RedisClient,
  key: string,
  token: number,
  { keep, kind }: { readonly keep: Keep; readonly kind: Kind },
): Promise<{ readonly highest: number; readonly value: unknown }> {
  const reply = await runScript(client, ENTER, [fenceKeyOf(key), key], [String(token), keep, kind])
  const [highest, value] = reply as [string, unknown]
  return { highest: Number(highest), value }
}

/** The highest token that has entered; 0 for none. */
export async function highestOfKey(client: RedisClient, key: string): Promise<number> {
  return Number(await runScript(client, RESET, [fenceKeyOf(key)], []))
}

/** @returns the highest token until now */
export async function resetKey(client: RedisClient, key: string, to: number, keep: Keep): Promise<number> {
  return Number(await runScript(client, RESET, [fenceKeyOf(key)], [String(checkResetTo(to)), keep]))
}
