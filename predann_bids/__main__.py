from predann_bids.cli import main

if __name__ == "__main__":
    main()
