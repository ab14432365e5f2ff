// Package bodies compresses the bodies of products with zstd, and with a dictionary of other bodies of the same
// catalogue, since these have many names and values in common.
package bodies

import (
	"bytes"
	"fmt"

	"github.com/klauspost/compress/zstd"
)

const (
	// dictionarySize is the largest size of a dictionary. The 40 MB of bodies of pcparts, a catalogue, become 18 MB
	// with a dictionary and 28 MB without. A dictionary of twice the size would save less than 1 % more, and each
	// snapshot of an index holds it.
	dictionarySize = 16 << 10

	// sampleSize is the largest number of bytes of one body in a dictionary, so that it has several bodies.
	sampleSize = 2 << 10

	// minSize is the smallest size of a dictionary. A smaller one would come from too few bodies.
	minSize = 1 << 10

	// dictionaryID identifies the dictionary in zstd frames. Its value is arbitrary.
	dictionaryID = 1

	// windowSize is the largest distance of a match. An encoder needs that much memory.
	windowSize = 128 << 10

	// maxSize is the size of the largest body that is decoded, which is more than bleve can store.
	maxSize = 2 << 30
)

// frame is the start of a zstd frame. JSON never starts like that.
var frame = []byte{0x28, 0xb5, 0x2f, 0xfd}

// Codec encodes and decodes bodies. It is safe for concurrent use. A nil Codec does not encode bodies, and Decode
// returns an error for an encoded one.
type Codec struct {
	dictionary []byte
	encoder    *zstd.Encoder
	decoder    *zstd.Decoder
}

// Learn returns a Codec for bodies similar to the n samples, or nil if there are too few. It uses some of the samples,
// spread evenly.
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
		return nil, fmt.Errorf("compress bodies: %w", err)
	}
	decoder, err := zstd.NewReader(nil, zstd.WithDecoderDictRaw(dictionaryID, dictionary), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxMemory(maxSize))
	if err != nil {
		return nil, fmt.Errorf("decompress bodies: %w", err)
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

// Encode returns the compressed body, or the body itself if that is not longer.
func (c *Codec) Encode(body []byte) []byte {
	if c == nil {
		return body
	}
	if encoded := c.encoder.EncodeAll(body, make([]byte, 0, len(body)/2)); len(encoded) < len(body) {
		return encoded
	}
	return body
}

// Decode returns the body that Encode has encoded.
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
