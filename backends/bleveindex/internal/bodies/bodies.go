// Package bodies compresses the bodies of products with zstd. The encoder has a dictionary of other bodies of the same
// catalogue, since these share many names and values.
package bodies

import (
	"bytes"
	"fmt"

	"github.com/klauspost/compress/zstd"
)

const (
	// dictionarySize is the largest size of a dictionary. The bodies of the catalogue pcparts, 40 MB, become 18 MB with a
	// dictionary of this size and 28 MB without a dictionary. A dictionary of twice the size would save less than 1 %
	// more, and each snapshot of an index holds its dictionary in memory.
	dictionarySize = 16 << 10

	// sampleSize is the largest number of bytes of one body in a dictionary. The limit leaves room for several bodies.
	sampleSize = 2 << 10

	// minSize is the smallest size of a dictionary. A smaller dictionary would contain too few bodies.
	minSize = 1 << 10

	// dictionaryID identifies the dictionary in zstd frames. Its value is arbitrary.
	dictionaryID = 1

	// windowSize is the largest distance of a match. An encoder needs that much memory.
	windowSize = 128 << 10

	// maxSize is the size of the largest body that a Codec decodes. It is more than bleve can store.
	maxSize = 2 << 30
)

// frame is the start of every zstd frame. No JSON text starts with these bytes.
var frame = []byte{0x28, 0xb5, 0x2f, 0xfd}

// Codec encodes and decodes bodies. It is safe for concurrent use. A nil Codec stores bodies uncompressed; it returns
// an error for a compressed body.
type Codec struct {
	dictionary []byte
	encoder    *zstd.Encoder
	decoder    *zstd.Decoder
}

// Learn returns a Codec for bodies similar to the n samples, or nil if there are too few. It uses some of the samples,
// spread evenly.
func Learn(n int, sample func(i int) []byte) (*Codec, error) {
	total := 0
	for i := range n {
		total += min(len(sample(i)), sampleSize)
	}
	var dictionary []byte
	for i := 0; i < n && len(dictionary) < dictionarySize; i += 1 + total/(dictionarySize+1) {
		body := sample(i)
		dictionary = append(dictionary, body[:min(len(body), sampleSize, dictionarySize-len(dictionary))]...)
	}
	if len(dictionary) < minSize {
		return nil, nil //nolint:nilnil // as documented
	}
	return New(dictionary)
}

// New returns a Codec with this dictionary, or nil if the dictionary is empty. It retains the dictionary, which must
// not be changed.
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
		return nil, fmt.Errorf("create an encoder of bodies: %w", err)
	}
	decoder, err := zstd.NewReader(nil, zstd.WithDecoderDictRaw(dictionaryID, dictionary), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxMemory(maxSize))
	if err != nil {
		return nil, fmt.Errorf("create a decoder of bodies: %w", err)
	}
	return &Codec{dictionary: dictionary, encoder: encoder, decoder: decoder}, nil
}

// Dictionary returns the dictionary of the Codec, for New.
func (c *Codec) Dictionary() []byte {
	if c == nil {
		return nil
	}
	return c.dictionary
}

// Encode returns the compressed body, or the body itself if compression does not make it shorter.
func (c *Codec) Encode(body []byte) []byte {
	if c == nil {
		return body
	}
	if encoded := c.encoder.EncodeAll(body, make([]byte, 0, len(body)/2)); len(encoded) < len(body) {
		return encoded
	}
	return body
}

// Decode returns the body from the result of Encode.
func (c *Codec) Decode(stored []byte) ([]byte, error) {
	if !bytes.HasPrefix(stored, frame) {
		return stored, nil
	}
	if c == nil {
		return nil, fmt.Errorf("cannot decompress a body of %d compressed bytes: its dictionary is missing", len(stored))
	}
	body, err := c.decoder.DecodeAll(stored, nil)
	if err != nil {
		return nil, fmt.Errorf("cannot decompress a body of %d compressed bytes: %w", len(stored), err)
	}
	return body, nil
}
