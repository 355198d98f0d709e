// The original: compresses what it reads from standard input with the klauspost/pgzip it was built with.
//
// Little-endian. A case: the level as i32, the block size, the length of the plain bytes and of the list of steps as u32,
// then these. A step is a u32: how many plain bytes to write next, or 0xffffffff for a flush. For each case the length of
// the deflate stream as a u32 and the stream itself are written. With arguments LEVEL BLOCKBYTES FILE it compresses a
// file to standard output instead, as one raw stream.
package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"os"
	"strconv"

	"github.com/klauspost/pgzip"
)

const headerBytes, trailerBytes = 10, 8

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func newWriter(to io.Writer, level, blockBytes, blocks int) *pgzip.Writer {
	w, err := pgzip.NewWriterLevel(to, level)
	must(err)
	must(w.SetConcurrency(blockBytes, blocks))
	return w
}

type caseHeader struct {
	Level                         int32
	BlockBytes, PlainBytes, Steps uint32
}

func compress(h caseHeader, in io.Reader, out io.Writer) {
	plain := make([]byte, h.PlainBytes)
	steps := make([]uint32, h.Steps)
	_, err := io.ReadFull(in, plain)
	must(err)
	must(binary.Read(in, binary.LittleEndian, steps))
	var whole bytes.Buffer
	w := newWriter(&whole, int(h.Level), int(h.BlockBytes), 2)
	for _, step := range steps {
		if step == 0xffffffff {
			must(w.Flush())
			continue
		}
		_, err = w.Write(plain[:step])
		must(err)
		plain = plain[step:]
	}
	must(w.Close())
	stream := whole.Bytes()[headerBytes : whole.Len()-trailerBytes]
	must(binary.Write(out, binary.LittleEndian, uint32(len(stream))))
	_, err = out.Write(stream)
	must(err)
}

// stripped passes on what is written to it but the header and the last bytes.
type stripped struct {
	to      io.Writer
	skip    int
	pending []byte
}

func (s *stripped) Write(b []byte) (int, error) {
	all := append(s.pending, b...)
	n := min(s.skip, len(all))
	s.skip -= n
	all = all[n:]
	ready := max(0, len(all)-trailerBytes)
	s.pending = append([]byte(nil), all[ready:]...)
	_, err := s.to.Write(all[:ready])
	return len(b), err
}

func min(a, b int) int {
	if a < b {
		return a
	}
	return b
}

func max(a, b int) int {
	return -min(-a, -b)
}

func main() {
	if len(os.Args) == 4 {
		level, err := strconv.Atoi(os.Args[1])
		must(err)
		blockBytes, err := strconv.Atoi(os.Args[2])
		must(err)
		file, err := os.Open(os.Args[3])
		must(err)
		w := newWriter(&stripped{to: os.Stdout, skip: headerBytes}, level, blockBytes, 1)
		_, err = io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{file}, make([]byte, 1<<20))
		must(err)
		must(w.Close())
		return
	}
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := bufio.NewWriterSize(os.Stdout, 1<<20)
	for {
		var h caseHeader
		err := binary.Read(in, binary.LittleEndian, &h)
		if err == io.EOF {
			break
		}
		must(err)
		compress(h, in, out)
	}
	must(out.Flush())
}
