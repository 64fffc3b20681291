import { parse as parsePath } from 'node:path'
import { fileResource } from '../core/file-resource.ts'
import { workingTreeOf } from '../core/file-resource.ts'
import type { Claim, Mode } from '../core/model.ts'
import { realPath } from '../core/real-path.ts'
import { parseClaims } from '../core/resource.ts'

/** What is asked for, in canonical form. @throws InvalidRequestError that names the argument and the rule */
export function claimsOf(args: readonly string[], mode: Mode): Claim[] {
  return parseClaims(args.map(resourceOf), mode)
}

/**
 * The id that an argument means: with a `:` it is one, without it is a path, relative to the root of its git working
 * tree. A path in no working tree is relative to the root of the file system: there is only one of those on a machine.
 */
export function resourceOf(arg: string): string {
  if (arg.includes(':')) return arg
  if (arg === '' || workingTreeOf(realPathOr(arg)) !== undefined) return fileResource(arg)
  return fileResource(arg, { root: parsePath(process.cwd()).root })
}

/** Where the file system refuses to look, `fileResource` says so better. */
function realPathOr(path: string): string {
  try {
    return realPath(path)
  } catch {
    return process.cwd()
  }
}
