import type { Edit } from './edit.ts'

/** What an agent process is started for. */
export interface Assignment {
  readonly agentId: string
  /** How many edits it shall make. */
  readonly edits: number
  /** Whether it stops dead in one more edit, holding its lock, until it is killed. */
  readonly getsStuck: boolean
  /** The folder that the files are in. */
  readonly root: string
  readonly files: readonly string[]
  /** The database with the locks; `null`: work without any. */
  readonly database: string | null
}

/** What an agent process tells the demo. */
export type Report =
  | { readonly type: 'ready' }
  /** It wants to edit these files, and waits in line if it must. */
  | { readonly type: 'asking'; readonly edit: Edit }
  /** It has read, or is about to read, the files. */
  | { readonly type: 'editing'; readonly edit: Edit }
  /** The edit is done as far as the agent knows. Only such edits are counted. */
  | { readonly type: 'done'; readonly edit: Edit }
  /** It will never finish this edit. */
  | { readonly type: 'stuck'; readonly edit: Edit }
  | { readonly type: 'finished' }

/** The demo's only message to its agents: all start together. */
export const GO = 'go'
