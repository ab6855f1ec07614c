from predann_bids.tools.cli import main

if __name__ == "__main__":
    main()
