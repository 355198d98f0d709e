/** Calls of the file-system seam. `blockingOpen` and `blockingRead` are those that decode packs. */
export type Call =
  | 'openRead'
  | 'createNew'
  | 'read'
  | 'write'
  | 'sync'
  | 'sizeBytes'
  | 'close'
  /** Of a file that was created. */
  | 'closeNew'
  | 'rename'
  | 'unlink'
  | 'makeDirectory'
  | 'syncDirectory'
  | 'list'
  | 'info'
  | 'setTimes'
  | 'blockingOpen'
  | 'blockingRead';

const CHANGES: Call[] = [
  'createNew',
  'write',
  'sync',
  'rename',
  'unlink',
  'makeDirectory',
  'syncDirectory',
  'setTimes',
];
const OPENS: Call[] = ['openRead', 'createNew', 'list', 'syncDirectory', 'blockingOpen'];
const READS: Call[] = ['openRead', 'read', 'sizeBytes', 'list', 'info', 'blockingOpen', 'blockingRead'];
const GROWING: Call[] = [
  'createNew',
  'write',
  'sync',
  'closeNew',
  'rename',
  'makeDirectory',
  'syncDirectory',
];
const SLOW: Call[] = ['openRead', 'createNew', 'read', 'write', 'sync', 'close', 'closeNew', 'syncDirectory'];

/** Something that goes wrong at the N-th of certain calls. */
export interface FaultKind {
  /** The calls that are counted. */
  calls: readonly Call[];
  effect: 'error' | 'short' | 'death';
  errno?: string;
  /** A write or read does a part of its work before. */
  partly?: boolean;
  /** All counted calls from the N-th on fail. */
  stays?: boolean;
}

export const FAULTS = {
  EIO: { calls: [...CHANGES, ...READS, 'close', 'closeNew'], effect: 'error', errno: 'EIO' },
  'EIO-stays': {
    calls: [...CHANGES, ...READS, 'close', 'closeNew'],
    effect: 'error',
    errno: 'EIO',
    stays: true,
  },
  ENOSPC: { calls: GROWING, effect: 'error', errno: 'ENOSPC', partly: true },
  /** A full disk still lets files go. */
  'ENOSPC-stays': { calls: GROWING, effect: 'error', errno: 'ENOSPC', partly: true, stays: true },
  EDQUOT: { calls: GROWING, effect: 'error', errno: 'EDQUOT' },
  /** What a file system does that has met an error of its own. */
  'EROFS-stays': { calls: CHANGES, effect: 'error', errno: 'EROFS', stays: true },
  EACCES: {
    calls: [...OPENS, 'info', 'rename', 'unlink', 'makeDirectory', 'setTimes'],
    effect: 'error',
    errno: 'EACCES',
  },
  EMFILE: { calls: OPENS, effect: 'error', errno: 'EMFILE' },
  EINTR: { calls: [...SLOW, 'blockingOpen', 'blockingRead'], effect: 'error', errno: 'EINTR', partly: true },
  'short-write': { calls: ['write'], effect: 'short', partly: true },
  'short-read': { calls: ['read', 'blockingRead'], effect: 'short', partly: true },
  /** The process is gone before the call. */
  death: { calls: CHANGES, effect: 'death' },
  /** The process is gone in the midst of a write. */
  'death-torn': { calls: ['write'], effect: 'death', partly: true },
} as const satisfies Record<string, FaultKind>;

export type FaultName = keyof typeof FAULTS;

/** What every call throws once the process is dead. Has no code: nothing may take it for an error of the disk. */
export class ProcessDied extends Error {
  constructor() {
    super('the process is dead');
  }
}
