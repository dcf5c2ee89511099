package migration
func (t *task) explainError(err error) error { return err }
