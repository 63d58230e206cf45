"""The ways of making proposals, one file each."""
