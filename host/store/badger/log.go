package badger

import (
	"fmt"
	"log/slog"
	"strings"
)

// engineLog gives the engine's own messages to a slog.Logger. What the engine
// calls information is noise to an operator, so it goes a level lower.
type engineLog struct{ log *slog.Logger }

func (l engineLog) Errorf(f string, a ...any)   { l.log.Error(text(f, a)) }
func (l engineLog) Warningf(f string, a ...any) { l.log.Warn(text(f, a)) }
func (l engineLog) Infof(f string, a ...any)    { l.log.Debug(text(f, a)) }
func (l engineLog) Debugf(string, ...any)       {} // a line for each write

func text(format string, args []any) string {
	return "store engine: " + strings.TrimSpace(fmt.Sprintf(format, args...))
}
