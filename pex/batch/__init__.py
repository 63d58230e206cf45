"""Plans of notebooks run by Papermill, night by night: judged, shown on a page, scheduled."""
