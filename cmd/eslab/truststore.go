package main

import (
	"bytes"
	"crypto/sha1"
	"encoding/binary"
	"encoding/pem"
	"strconv"
	"unicode/utf16"
)

const trustStorePassword = "changeit" // Java's usual one: the content is public

// trustStore puts certificates into Java's own format (JKS), which is simple
// enough not to start a keytool for. Nothing of it is secret; Java just wants a
// sum that is made with a password.
func trustStore(certs []byte) []byte {
	var body bytes.Buffer
	text := func(s string) {
		number(&body, uint16(len(s)))
		body.WriteString(s)
	}
	count := uint32(0)
	for block, rest := pem.Decode(certs); block != nil; block, rest = pem.Decode(rest) {
		count++
		number(&body, uint32(2)) // a trusted certificate
		text("ca" + strconv.Itoa(int(count)))
		number(&body, uint64(0)) // when it was added
		text("X.509")
		number(&body, uint32(len(block.Bytes)))
		body.Write(block.Bytes)
	}
	var store bytes.Buffer
	number(&store, uint32(0xFEEDFEED))
	number(&store, uint32(2)) // version
	number(&store, count)
	store.Write(body.Bytes())

	sum := sha1.New()
	for _, unit := range utf16.Encode([]rune(trustStorePassword)) {
		sum.Write([]byte{byte(unit >> 8), byte(unit)})
	}
	sum.Write([]byte("Mighty Aphrodite")) // the format's constant
	sum.Write(store.Bytes())
	return sum.Sum(store.Bytes())
}

func number[T uint16 | uint32 | uint64](to *bytes.Buffer, n T) {
	_ = binary.Write(to, binary.BigEndian, n) // a buffer takes everything
}
