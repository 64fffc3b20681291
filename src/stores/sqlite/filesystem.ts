import { execFileSync } from 'node:child_process'
import { readFileSync, realpathSync } from 'node:fs'
import { basename, dirname, join, posix, resolve, win32 } from 'node:path'

/** Where something is mounted, and the type of what is mounted there. */
export interface Mount {
  readonly mountPoint: string
  readonly type: string
}

/**
 * File systems that other machines write to as well, or whose locks do not reach all who use them.
 * SQLite's WAL needs locks and memory shared by all its users, which these do not give.
 */
const NETWORK_TYPES: ReadonlySet<string> = new Set(
  [
    // NFS, SMB, AFS; 9p also for the drives of the host in WSL and in some virtual machines
    'nfs nfs4 cifs smb smb2 smb3 smbfs 9p afs auristorfs coda ncpfs afpfs',
    // folders shared with the host of a virtual machine
    'virtiofs drvfs vboxsf prl_fs vmhgfs fuse.vmhgfs-fuse fuse.grpcfuse',
    // cluster file systems
    'ceph fuse.ceph fuse.ceph-fuse glusterfs fuse.glusterfs lustre gpfs beegfs fhgfs orangefs pvfs2 panfs ocfs2 gfs2',
    'moosefs fuse.mfs fuse.lizardfs fuse.juicefs fuse.seaweedfs acfs wekafs fuse.xtreemfs',
    // SSH, WebDAV, object stores
    'fuse.sshfs davfs fuse.davfs fuse.davfs2 webdav fuse.rclone fuse.s3fs fuse.goofys fuse.gcsfuse fuse.mount-s3',
    'fuse.mountpoint-s3 fuse.blobfuse fuse.blobfuse2 fuse.curlftpfs ftp',
  ].flatMap((names) => names.split(' ')),
)

/**
 * Type of the network file system that a path lies on (`nfs4`, `cifs` …), or null if it lies on
 * none that is known, or if the platform does not say. The path need not exist yet: then its
 * nearest existing folder decides. Symbolic links are followed. Never throws.
 *
 * - Linux: the longest mount point in `/proc/self/mountinfo`.
 * - macOS and the BSDs: the same in the output of `mount`.
 * - Windows: whether it is a UNC path; a mapped drive letter is resolved to one where the system does so.
 */
export function networkFileSystemOf(path: string): string | null {
  const real = realPathOf(resolve(path))
  if (process.platform === 'win32') return isUncPath(real) ? 'unc' : null
  return networkTypeOf(real, readMounts())
}

/** The type of the mount that holds an absolute path, if it is a network file system. Of two mounts on one point the later one counts: it covers the other. */
export function networkTypeOf(path: string, mounts: readonly Mount[]): string | null {
  let best: Mount | undefined
  for (const mount of mounts) {
    if (isWithin(path, mount.mountPoint) && mount.mountPoint.length >= (best?.mountPoint.length ?? 0)) best = mount
  }
  return best !== undefined && NETWORK_TYPES.has(best.type.toLowerCase()) ? best.type : null
}

/**
 * Parses `/proc/self/mountinfo` (proc_pid_mountinfo(5)): `36 35 98:0 / /mnt rw shared:1 - nfs4 host:/x rw`,
 * with any number of optional fields before the dash. Lines that are not of this form are left out.
 */
export function parseMountinfo(text: string): Mount[] {
  return text.split('\n').flatMap((line) => {
    const [, mountPoint, type] = /^(?:\S+ ){4}(\S+) \S+ (?:\S+ )*?- (\S+) /.exec(line) ?? []
    return mountPoint === undefined || type === undefined
      ? []
      : [{ mountPoint: unescapeOctal(mountPoint), type: unescapeOctal(type) }]
  })
}

/** Parses the output of `mount` on macOS and the BSDs: `//me@host/share on /Volumes/share (smbfs, nodev)`. Other lines are left out. */
export function parseMountOutput(text: string): Mount[] {
  return text.split('\n').flatMap((line) => {
    // A mount point may hold ` on ` and ` (`: it reaches from the first ` on ` to the last ` (`.
    const [, mountPoint, type] = /^.*? on (\/.*) \(([^,()]+)[^()]*\)$/.exec(line) ?? []
    return mountPoint === undefined || type === undefined ? [] : [{ mountPoint, type: type.trim() }]
  })
}

/** Whether a Windows path names a share of another machine: `\\server\share`, also as `\\?\UNC\…`; not a device (`\\.\`, `\\?\C:\`). */
export function isUncPath(path: string): boolean {
  const normal = win32.normalize(path)
  if (/^\\\\\?\\UNC\\/i.test(normal)) return true
  return /^\\\\[^\\?.]/.test(normal)
}

function readMounts(): Mount[] {
  try {
    if (process.platform === 'linux' || process.platform === 'android') {
      return parseMountinfo(readFileSync('/proc/self/mountinfo', 'utf8'))
    }
    // In the C locale, and with a deadline: `mount` asks every server, and one may be gone.
    return parseMountOutput(
      execFileSync('mount', {
        encoding: 'utf8',
        timeout: 5_000,
        env: { ...process.env, LC_ALL: 'C' },
        stdio: ['ignore', 'pipe', 'ignore'],
      }),
    )
  } catch {
    return []
  }
}

function realPathOf(path: string): string {
  const missing: string[] = []
  for (let existing = path; ; existing = dirname(existing)) {
    try {
      return join(realpathSync.native(existing), ...missing)
    } catch {
      if (dirname(existing) === existing) return path
      missing.unshift(basename(existing))
    }
  }
}

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith(posix.sep) ? folder : folder + posix.sep)
}

/** The kernel writes a space, tab, newline, backslash and `#` as three octal digits; other bytes are UTF-8 as they stand. */
function unescapeOctal(field: string): string {
  return field.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)))
}
