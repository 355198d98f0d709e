import { DeltaDecoder } from '../compress/delta/delta-decoder.js';
import { X86Filter } from '../compress/x86/x86-filter.js';

/** Their memory grows to that of the largest block: what codes blocks and what decodes them share one of each in a thread. */
let decoder: DeltaDecoder | undefined;
let filter: X86Filter | undefined;

/** This thread's, made when it is first wanted. */
export function threadDeltaDecoder(): DeltaDecoder {
  decoder ??= new DeltaDecoder();
  return decoder;
}

/** This thread's, made when it is first wanted. */
export function threadX86Filter(): X86Filter {
  filter ??= new X86Filter();
  return filter;
}
