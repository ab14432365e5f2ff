package csv

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// errCutOff means that the text ends in the middle of a character.
var errCutOff = fmt.Errorf("the file is cut off: its last character is not complete: %w", io.ErrUnexpectedEOF)

// decode returns the text of a file as UTF-8, without a byte order mark at its start, and reports whether the file has
// another encoding. Characters that cannot be decoded become bytes that are not valid UTF-8.
func decode(in io.Reader, enc encoding.Encoding) (text io.Reader, decoded bool, err error) {
	head := make([]byte, 3)
	n, err := io.ReadFull(in, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, false, err
	}
	head = head[:n]
	switch {
	case bytes.Equal(head, bom):
		return in, false, nil
	case bytes.HasPrefix(head, []byte{0xff, 0xfe}):
		enc = unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM)
		head = head[2:]
	case bytes.HasPrefix(head, []byte{0xfe, 0xff}):
		enc = unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM)
		head = head[2:]
	}
	text = io.MultiReader(bytes.NewReader(head), in)
	if enc == nil {
		return text, false, nil
	}
	return transform.NewReader(text, &strict{enc.NewDecoder(), enc.NewEncoder()}), true, nil
}

// strict is a decoder that does not replace a character that it cannot decode by U+FFFD, as other decoders do, but by
// bytes that are not valid UTF-8.
type strict struct {
	decoder *encoding.Decoder
	encoder *encoding.Encoder
}

// Reset implements [transform.Transformer].
func (s *strict) Reset() { s.decoder.Reset() }

// Transform implements [transform.Transformer].
func (s *strict) Transform(dst, src []byte, atEOF bool) (nDst, nSrc int, err error) {
	nDst, nSrc, err = s.decoder.Transform(dst, src, false)
	if atEOF && errors.Is(err, transform.ErrShortSrc) {
		err = errCutOff
	}
	replacement := []byte("\ufffd")
	if out := dst[:nDst]; bytes.Contains(out, replacement) && !s.encodes(out, src[:nSrc]) {
		for i := bytes.Index(out, replacement); i >= 0; i = bytes.Index(out, replacement) {
			out[i], out[i+1], out[i+2] = 0xff, 0xff, 0xff
		}
	}
	return nDst, nSrc, err
}

// encodes reports whether text, encoded again, equals read. If it does, each U+FFFD in text was in the file.
func (s *strict) encodes(text, read []byte) bool {
	s.encoder.Reset()
	encoded, err := s.encoder.Bytes(text)
	return err == nil && bytes.Equal(encoded, read)
}
