// Package bodies stores products' bodies in a fraction of their size: compressed by zstd with a dictionary of other
// bodies of their catalogue, whose names and values they share.
package bodies

import (
	"bytes"
	"fmt"

	"github.com/klauspost/compress/zstd"
)

const (
	// dictionarySize is how large a dictionary is at most. pcparts, a catalogue whose bodies are 40 MB and take 28 MB
	// without one, takes 18 MB. Twice as large a dictionary gains less than 1 %, and each snapshot of an index holds it.
	dictionarySize = 16 << 10

	// sampleSize is how many bytes of a body are in a dictionary at most, so that several are.
	sampleSize = 2 << 10

	// minSize is how large a dictionary is at least: there are too few bodies to learn from before.
	minSize = 1 << 10

	// dictionaryID is of one's own choice.
	dictionaryID = 1

	// windowSize is how far back matches are found. Encoders keep memory of that size.
	windowSize = 128 << 10

	// maxSize is how large a body is at most: more than bleve holds.
	maxSize = 2 << 30
)

// frame is how a zstd frame begins. JSON never begins so.
var frame = []byte{0x28, 0xb5, 0x2f, 0xfd}

// Codec encodes and decodes bodies. It is safe for concurrent use. A nil Codec encodes nothing, and decodes bodies that
// were not encoded.
type Codec struct {
	dictionary []byte
	encoder    *zstd.Encoder
	decoder    *zstd.Decoder
}

// Learn returns a Codec for bodies like n samples, or nil if they are too few. It looks at some of them, from the first
// to the last.
func Learn(n int, sample func(i int) []byte) (*Codec, error) {
	bytes := 0
	for i := range n {
		bytes += min(len(sample(i)), sampleSize)
	}
	var dictionary []byte
	for i := 0; i < n && len(dictionary) < dictionarySize; i += 1 + bytes/(dictionarySize+1) {
		body := sample(i)
		dictionary = append(dictionary, body[:min(len(body), sampleSize, dictionarySize-len(dictionary))]...)
	}
	if len(dictionary) < minSize {
		return nil, nil //nolint:nilnil // as documented
	}
	return New(dictionary)
}

// New returns the Codec with a dictionary, or nil if the dictionary is empty. It keeps the dictionary, which must not
// be changed.
func New(dictionary []byte) (*Codec, error) {
	if len(dictionary) == 0 {
		return nil, nil //nolint:nilnil // as documented
	}
	encoder, err := zstd.NewWriter(
		nil,
		zstd.WithEncoderDictRaw(dictionaryID, dictionary),
		zstd.WithEncoderLevel(zstd.SpeedFastest),
		zstd.WithEncoderCRC(false),
		zstd.WithWindowSize(windowSize),
		zstd.WithLowerEncoderMem(true),
	)
	if err != nil {
		return nil, fmt.Errorf("compress bodies: %w", err)
	}
	decoder, err := zstd.NewReader(nil, zstd.WithDecoderDictRaw(dictionaryID, dictionary), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxMemory(maxSize))
	if err != nil {
		return nil, fmt.Errorf("decompress bodies: %w", err)
	}
	return &Codec{dictionary: dictionary, encoder: encoder, decoder: decoder}, nil
}

// Dictionary returns what New makes the same Codec of.
func (c *Codec) Dictionary() []byte {
	if c == nil {
		return nil
	}
	return c.dictionary
}

// Encode returns a body as it is stored: the body itself if that is not longer.
func (c *Codec) Encode(body []byte) []byte {
	if c == nil {
		return body
	}
	if encoded := c.encoder.EncodeAll(body, make([]byte, 0, len(body)/2)); len(encoded) < len(body) {
		return encoded
	}
	return body
}

// Decode returns the body that is stored so, and stored itself if that was not encoded.
func (c *Codec) Decode(stored []byte) ([]byte, error) {
	if !bytes.HasPrefix(stored, frame) {
		return stored, nil
	}
	if c == nil {
		return nil, fmt.Errorf("a body of %d bytes is compressed with a dictionary that is not there", len(stored))
	}
	body, err := c.decoder.DecodeAll(stored, nil)
	if err != nil {
		return nil, fmt.Errorf("decompress a body of %d bytes: %w", len(stored), err)
	}
	return body, nil
}
