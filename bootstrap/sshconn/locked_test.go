package sshconn

import (
	"crypto"
	"encoding/pem"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"
)

// writeLocked writes an encrypted private key.
func writeLocked(t *testing.T, path string, key crypto.PrivateKey) {
	t.Helper()
	block, err := ssh.MarshalPrivateKeyWithPassphrase(key, "test", []byte("secret"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, pem.EncodeToMemory(block), 0o600))
}
