// The original: compresses what it reads from standard input with the compress/flate it was built with.
//
// Little-endian. A case: the level as i32, the length of the dictionary, of the plain bytes and of the list of steps as
// u32, then these. A step is a u32: how many plain bytes to write next, or 0xffffffff for a flush. For each case the
// length of the stream as a u32 and the stream itself are written. With arguments LEVEL FILE it compresses a file to
// standard output instead, 1 MiB at a time.
package main

import (
	"bufio"
	"bytes"
	"compress/flate"
	"encoding/binary"
	"io"
	"os"
	"strconv"
)

func must(err error) {
	if err != nil {
		panic(err)
	}
}

type caseHeader struct {
	Level                         int32
	Dictionary, PlainBytes, Steps uint32
}

func compress(h caseHeader, in io.Reader, out io.Writer) {
	dictionary := make([]byte, h.Dictionary)
	plain := make([]byte, h.PlainBytes)
	steps := make([]uint32, h.Steps)
	_, err := io.ReadFull(in, dictionary)
	must(err)
	_, err = io.ReadFull(in, plain)
	must(err)
	must(binary.Read(in, binary.LittleEndian, steps))
	var stream bytes.Buffer
	w, err := flate.NewWriter(&stream, int(h.Level))
	if h.Dictionary > 0 {
		w, err = flate.NewWriterDict(&stream, int(h.Level), dictionary)
	}
	must(err)
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
	must(binary.Write(out, binary.LittleEndian, uint32(stream.Len())))
	_, err = out.Write(stream.Bytes())
	must(err)
}

func main() {
	if len(os.Args) == 3 {
		level, err := strconv.Atoi(os.Args[1])
		must(err)
		file, err := os.Open(os.Args[2])
		must(err)
		w, err := flate.NewWriter(os.Stdout, level)
		must(err)
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
