package quickstart_test

import (
	"os/exec"
	"strings"
	"testing"
)

// TestCases: the flows do what the cases beside them say.
func TestCases(t *testing.T) {
	out, err := exec.Command("../../build/trama", "flow", "test", ".").CombinedOutput()
	if err != nil || !strings.Contains(string(out), " passed, 0 failed") {
		t.Errorf("%v\n%s", err, out)
	}
}
